"""The small program that runs beside Kafka in its process, as Java runs it."""
