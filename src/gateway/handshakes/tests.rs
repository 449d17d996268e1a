use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use super::Rank::{Begun, Known, Stranger};
use super::*;

type Asked<'h> = Pin<Box<dyn Future<Output = Result<Turn<'h>, Overrun>> + 'h>>;

fn ask(handshakes: &Handshakes, rank: Rank) -> Asked<'_> {
    let mut asked: Asked<'_> = Box::pin(handshakes.turn(rank));
    assert!(poll(&mut asked).is_none(), "a turn begins behind those who wait for the processor");
    asked
}

fn poll<'h>(asked: &mut Asked<'h>) -> Option<Result<Turn<'h>, Overrun>> {
    match asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

/// Polls until it has its turn, which is when others have gone before, or nothing moves.
fn settle<'h>(asked: &mut Asked<'h>) -> Option<Result<Turn<'h>, Overrun>> {
    poll(asked).or_else(|| poll(asked))
}

#[test]
fn no_more_have_a_turn_than_may_have_one_at_once() {
    let handshakes = Handshakes::with(2, 10);
    let mut asked: Vec<_> = (0..5).map(|_| ask(&handshakes, Stranger)).collect();
    let mut turns: Vec<_> = asked.drain(..2).map(|mut asked| settle(&mut asked).unwrap().unwrap()).collect();
    assert_eq!(handshakes.waiting(), 3);
    for mut waits in asked {
        assert!(settle(&mut waits).is_none());
        turns.remove(0);
        turns.push(settle(&mut waits).unwrap().unwrap());
        assert!(turns.len() <= 2);
    }
    drop(turns);
    assert_eq!((handshakes.waiting(), handshakes.lock().computing), (0, 0));
}

/// The order in which those who wait get the only turn, by their number.
fn order(ranks: &[Rank]) -> Vec<usize> {
    let handshakes = Handshakes::with(1, 100);
    let mut first = ask(&handshakes, Stranger);
    let first = settle(&mut first).unwrap().unwrap();
    let mut asked: Vec<_> = ranks.iter().map(|rank| Some(ask(&handshakes, *rank))).collect();
    let mut order = Vec::new();
    drop(first);
    while order.len() < ranks.len() {
        let next = asked.iter_mut().enumerate().find_map(|(number, waits)| {
            let turn = settle(waits.as_mut()?)?;
            Some((number, turn.unwrap()))
        });
        let (number, turn) = next.expect("a turn is never lost");
        asked[number] = None;
        order.push(number);
        drop(turn);
    }
    order
}

#[test]
fn known_sources_come_first_then_who_has_begun_each_in_the_order_of_coming() {
    assert_eq!(order(&[Stranger, Begun, Known, Stranger, Begun, Known]), [2, 5, 1, 4, 0, 3]);
    assert_eq!(order(&[Stranger; 5]), [0, 1, 2, 3, 4]);
}

#[test]
fn of_four_turns_one_goes_to_a_stranger_while_known_sources_wait() {
    let ranks: Vec<_> = std::iter::repeat_n(Known, 8).chain([Stranger, Stranger]).collect();
    assert_eq!(order(&ranks), [0, 1, 2, 8, 3, 4, 5, 9, 6, 7]);
}

#[test]
fn over_the_bound_strangers_are_turned_away_and_give_way_to_known_sources() {
    let handshakes = Handshakes::with(1, 2);
    let mut first = ask(&handshakes, Stranger);
    let first = settle(&mut first).unwrap().unwrap();
    let (mut one, mut other) = (ask(&handshakes, Stranger), ask(&handshakes, Stranger));
    let mut late: Asked<'_> = Box::pin(handshakes.turn(Stranger));
    assert!(matches!(poll(&mut late), Some(Err(Overrun))));
    let mut known = ask(&handshakes, Known);
    assert!(matches!(poll(&mut other), Some(Err(Overrun))), "the youngest of them");
    let mut second = ask(&handshakes, Known);
    assert!(matches!(poll(&mut one), Some(Err(Overrun))));
    let mut third: Asked<'_> = Box::pin(handshakes.turn(Known));
    assert!(matches!(poll(&mut third), Some(Err(Overrun))), "all who wait are as good");
    drop(first);
    drop(settle(&mut known).unwrap().unwrap());
    drop(settle(&mut second).unwrap().unwrap());
}

#[test]
fn who_gives_up_leaves_the_queue_and_no_turn_behind() {
    let handshakes = Handshakes::with(1, 10);
    let mut first = ask(&handshakes, Stranger);
    let first = settle(&mut first).unwrap().unwrap();
    let (gone, granted) = (ask(&handshakes, Stranger), ask(&handshakes, Stranger));
    let mut last = ask(&handshakes, Stranger);
    drop(gone);
    assert_eq!(handshakes.waiting(), 2);
    drop(first);
    // It has been granted the turn, and has not heard of it.
    drop(granted);
    drop(settle(&mut last).expect("the turn went on").unwrap());
    // One that has a turn, and waits for the processor only.
    drop(ask(&handshakes, Stranger));
    assert_eq!((handshakes.waiting(), handshakes.lock().computing), (0, 0));
}

#[test]
fn more_turns_let_more_of_those_who_wait_in_at_once() {
    let handshakes = Handshakes::with(1, 10);
    let mut asked: Vec<_> = (0..3).map(|_| ask(&handshakes, Stranger)).collect();
    handshakes.rebound(&Protection { max_handshakes: 3, ..Protection::default() });
    let turns: Vec<_> = asked.iter_mut().map(|asked| settle(asked).unwrap().unwrap()).collect();
    assert_eq!(turns.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_come_and_give_up_at_once_never_hold_too_many_turns() {
    let handshakes = Arc::new(Handshakes::with(3, 50));
    let (holding, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = Vec::new();
    for number in 0..2_000_u64 {
        let (handshakes, holding, most) = (Arc::clone(&handshakes), Arc::clone(&holding), Arc::clone(&most));
        tasks.push(tokio::spawn(async move {
            let rank = [Known, Begun, Stranger][usize::try_from(number % 3).unwrap()];
            let turn = pin!(handshakes.turn(rank));
            let patience = std::time::Duration::from_micros(number % 700);
            let Ok(Ok(turn)) = tokio::time::timeout(patience, turn).await else { return };
            most.fetch_max(holding.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            if number % 5 == 0 {
                yield_now().await;
            }
            holding.fetch_sub(1, Ordering::SeqCst);
            drop(turn);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    assert_eq!((handshakes.waiting(), handshakes.lock().computing), (0, 0));
}
