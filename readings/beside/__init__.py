"""What is kept beside InfluxDB in a relational database, because InfluxDB cannot give it fast enough."""
