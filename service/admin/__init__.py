"""The application of the internal listener: metrics for machines, the console for people."""
