//! Held against prost.

use proptest::collection::{btree_map, hash_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::model::{FIELDS, oracle};
use super::*;

fn read(payload: &[u8], unknown_fields: bool) -> Result<Vec<Option<String>>, FlawKind> {
    let reader = plant(Limits::default(), unknown_fields, &FIELDS);
    let mut found = Found::new();
    reader.read(payload, &mut found).map_err(|flaw| flaw.what)?;
    Ok((0..FIELDS.len()).map(|field| found.get(field).map(write)).collect())
}

fn number() -> impl Strategy<Value = f64> {
    prop::num::f64::NORMAL | prop::num::f64::ZERO
}

fn position() -> impl Strategy<Value = Position> {
    any::<(i32, i32)>().prop_map(|(x, y)| Position { x, y })
}

fn command() -> impl Strategy<Value = Option<Command>> {
    option::of(prop_oneof![
        any::<u32>().prop_map(Command::Speed),
        ".{0,9}".prop_map(Command::Recipe),
        position().prop_map(Command::GoTo),
    ])
}

fn reading() -> impl Strategy<Value = Reading> {
    let scalars = (number(), option::of(number()), ".{0,9}", vec(any::<u8>(), 0..9), any::<bool>(), -2..5_i32);
    let lists = (vec(number(), 0..4), vec(".{0,4}", 0..4), vec(position(), 0..4));
    let maps = (
        btree_map("[ab]", number(), 0..3),
        hash_map(-1..3_i32, position(), 0..4),
        btree_map(any::<bool>(), ".{0,4}", 0..3),
    );
    let numbers = option::of(any::<(i32, i64, u32, u64, i32, i64)>());
    (scalars, lists, maps, option::of(position()), command(), numbers, option::of(any::<u32>())).prop_map(
        |((celsius, bar, unit, raw, valid, state), (samples, tags, track), maps, position, command, numbers, rpm)| {
            Reading {
                celsius,
                bar,
                unit,
                raw,
                valid,
                state,
                position,
                samples,
                tags,
                track,
                limits: maps.0,
                axes: maps.1,
                switches: maps.2,
                command,
                numbers: numbers.map(|(int32, int64, uint32, uint64, sint32, sint64)| Numbers {
                    int32,
                    int64,
                    uint32,
                    uint64,
                    sint32,
                    sint64,
                    ..Numbers::default()
                }),
                inner: None,
                motor: rpm.map(|rpm| Motor { rpm, ..Motor::default() }),
            }
        },
    )
}

proptest! {
    #[test]
    fn what_prost_writes_is_read(reading in reading()) {
        prop_assert_eq!(read(&reading.encode_to_vec(), false), Ok(oracle(&reading)));
    }

    #[test]
    fn what_is_read_is_what_prost_reads(reading in reading(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let mut payload = reading.encode_to_vec();
        for (at, byte) in changes {
            if !payload.is_empty() {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
        }
        if let Ok(values) = read(&payload, true) {
            let reading = Reading::decode(&payload[..]);
            prop_assert!(reading.is_ok(), "prost refuses {payload:x?}: {reading:?}");
            prop_assert_eq!(values, oracle(&reading.unwrap()));
        }
    }
}
