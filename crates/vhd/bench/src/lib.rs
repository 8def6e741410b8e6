//! Nothing: the benchmarks of the `vhd` crate are in `benches`.
