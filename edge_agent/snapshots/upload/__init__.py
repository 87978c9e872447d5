"""The upload spool: pictures on disk until a server has confirmed them."""
