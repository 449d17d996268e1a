//! What outlives a connection: histories of values, facts, used nonces, counters. Bounded, and on disk where a state
//! folder is set.
