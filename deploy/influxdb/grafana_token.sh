#!/bin/sh
# Makes a token that can only read the bucket, for Grafana, and writes it to $TOKEN_FILE; does nothing when that one works.
# InfluxDB chooses the value of a token itself, so it cannot come from .env. Needs $INFLUXDB_URL, _TOKEN, _ORG and _BUCKET.
set -eu

call() { # token, path, further arguments of curl; the header goes through stdin, arguments can be read by every process
    token=$1
    path=$2
    shift 2
    printf 'Authorization: Token %s\n' "$token" |
        curl --silent --show-error --fail --noproxy '*' --max-time 10 --header @- "$@" "$INFLUXDB_URL$path"
}

first() { # the first value of a key in JSON on stdin
    tr ',{' '\n\n' | sed -n "s/^[[:space:]]*\"$1\":[[:space:]]*\"\([^\"]*\)\".*/\1/p" | head -n 1
}

if [ -s "$TOKEN_FILE" ] && call "$(cat "$TOKEN_FILE")" "/api/v2/buckets?name=$INFLUXDB_BUCKET" >/dev/null 2>&1; then
    exit 0
fi
bucket=$(call "$INFLUXDB_TOKEN" "/api/v2/buckets?org=$INFLUXDB_ORG&name=$INFLUXDB_BUCKET") || bucket=
id=$(printf '%s' "$bucket" | first id)
org=$(printf '%s' "$bucket" | first orgID)
if [ -z "$id" ] || [ -z "$org" ]; then
    echo "grafana_token: InfluxDB shows this token no bucket $INFLUXDB_BUCKET in organisation $INFLUXDB_ORG" >&2
    exit 1
fi
permission="{\"action\":\"read\",\"resource\":{\"type\":\"buckets\",\"id\":\"$id\",\"orgID\":\"$org\"}}"
made=$(call "$INFLUXDB_TOKEN" /api/v2/authorizations --header 'Content-Type: application/json' \
    --data "{\"orgID\":\"$org\",\"description\":\"grafana, read only\",\"permissions\":[$permission]}")
# Grafana runs as another user; the file lies in a volume that only the two see.
printf '%s' "$made" | first token | tr -d '\n' >"$TOKEN_FILE.new"
chmod 0644 "$TOKEN_FILE.new"
mv "$TOKEN_FILE.new" "$TOKEN_FILE"
