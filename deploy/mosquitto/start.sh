#!/bin/sh
# Sets the platform's users in the broker's password file, keeps those of the devices, then starts the broker.
# Usage: start.sh [mosquitto.conf]; the password file is the one the configuration names.
set -eu
umask 077
config=${1:-/mosquitto/config/mosquitto.conf}
passwords=$(sed -n 's/^password_file //p' "$config")

set_user() { # name, password; without a password the user is removed
    touch "$passwords"
    sed "/^$1:/d" "$passwords" >"$passwords.new"
    if [ -n "$2" ]; then
        # Through a file, not as an argument: arguments can be read by every process.
        printf '%s:%s\n' "$1" "$2" >"$passwords.user"
        mosquitto_passwd -U "$passwords.user"
        cat "$passwords.user" >>"$passwords.new"
        rm "$passwords.user"
    fi
    mv "$passwords.new" "$passwords"
}

set_user kreispuls "${MQTT_PASSWORD:?set MQTT_PASSWORD in .env}"
set_user simulator "${MQTT_SIMULATOR_PASSWORD:-}"
unset MQTT_PASSWORD MQTT_SIMULATOR_PASSWORD
exec mosquitto -c "$config"
