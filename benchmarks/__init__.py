"""What inweights is measured against: `python -m benchmarks` lists the benchmarks, `python -m benchmarks NAME` runs one."""
