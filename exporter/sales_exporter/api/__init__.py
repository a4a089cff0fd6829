"""The dashboard API: the numbers of the dashboards as JSON and as Server-Sent Events."""
