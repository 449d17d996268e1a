//! Sparkplug B: what topics and payloads say, and the state of an edge node.
