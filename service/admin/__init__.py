"""The aiohttp application of the internal listener: the metrics endpoint and the console."""
