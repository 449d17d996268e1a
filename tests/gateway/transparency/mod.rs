//! One scenario straight to a broker and through the gateway: what every client sees is the same.

mod bytes;
mod clients;
mod endings;
mod legs;
mod mosquitto_clients;
mod raw;
mod rumqttc_clients;
mod stage;
