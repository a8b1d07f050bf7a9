"""What each kind of device says and does; pure. A folder here is a device type, found by the registry."""
