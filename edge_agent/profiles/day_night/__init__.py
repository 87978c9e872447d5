"""Day and night: which it is, the profile of each, the infrared filter and the lamp."""
