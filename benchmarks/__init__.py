"""Programs that measure graf; run them with `python -m benchmarks.NAME`."""
