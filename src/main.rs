//! The `tidegate` program: arguments in, exit code out.

fn main() {}
