//! Connections over real sockets: a client and a broker played by the test, and the gateway's task between them.

mod ends;
mod layers;
mod openings;
mod pressure;
mod world;
