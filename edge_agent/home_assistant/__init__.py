"""Home Assistant finds this node by itself: MQTT discovery, derived from the declared entities."""
