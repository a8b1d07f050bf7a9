"""The MQTT client; the only imports of paho."""
