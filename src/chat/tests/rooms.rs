use serde_json::json;

use super::*;

/// Somebody comes, says something and goes, so that the room stays with its history.
fn leave_behind(stage: &mut Stage, room: &str, text: &str) {
    let client = stage.enter(Format::Lines, room, "passer-by");
    stage.receive(client, text);
    stage.exit(client);
}

/// The texts a newcomer reads, who goes again.
fn left_in(stage: &mut Stage, room: &str) -> Vec<String> {
    let client = stage.enter_as(entry(Format::Lines, room));
    let heard = stage.heard(client);
    stage.exit(client);
    heard[1..].iter().map(|line| line.rsplit(": ").next().unwrap().to_owned()).collect()
}

#[test]
fn a_room_without_history_ends_with_its_last_member() {
    let mut stage = Stage::with(|settings| settings.max_rooms = 1);
    for room in ["a", "b", "a"] {
        let ann = stage.enter(Format::Lines, room, "ann");
        assert_eq!(stage.dismissal(ann), None);
        stage.exit(ann);
    }
}

#[test]
fn the_room_that_is_empty_longest_makes_place_for_a_new_one() {
    let mut stage = Stage::with(|settings| settings.max_rooms = 3);
    for room in ["a", "b", "c"] {
        leave_behind(&mut stage, room, room);
    }
    assert_eq!(left_in(&mut stage, "a"), ["a"], "which makes b the longest empty");
    leave_behind(&mut stage, "d", "d");
    assert_eq!(left_in(&mut stage, "c"), ["c"]);
    assert_eq!(left_in(&mut stage, "a"), ["a"]);
    assert_eq!(left_in(&mut stage, "d"), ["d"]);
    assert_eq!(left_in(&mut stage, "b"), [""; 0]);
}

#[test]
fn when_no_room_is_empty_a_new_one_is_refused() {
    for limit in [1, 2, 3] {
        let mut stage = Stage::with(|settings| settings.max_rooms = limit);
        let clients: Vec<_> = ["a", "b"].map(|room| stage.enter_as(entry(Format::Lines, room))).into();
        let refused = clients.iter().filter(|&&client| stage.dismissal(client).is_some()).count();
        assert_eq!(refused, 2_usize.saturating_sub(limit), "limit {limit}");
    }
    let sentence =
        |limit| format!("There are {limit} rooms, which is the limit, and none is empty; try again later.");
    let mut stage = Stage::with(|settings| settings.max_rooms = 1);
    let ann = stage.enter(Format::Lines, "a", "ann");
    for (format, expected) in [
        (Format::Lines, vec![sentence(1)]),
        (Format::Html, vec![format!("<div class=\"notice\">{}</div>", sentence(1))]),
        (Format::Raw, vec![]),
    ] {
        let late = stage.enter_as(entry(format, "b"));
        assert_eq!(stage.heard(late), expected);
        assert_eq!(stage.dismissal(late), Some(Dismissal::RoomsFull));
    }
    let json = stage.enter_as(entry(Format::Json, "b"));
    let heard = stage.heard_json(json);
    assert_eq!((types(&heard), code(&heard[1])), (vec!["welcome", "error"], "rooms_full"));
    assert_eq!(code(&stage.ask_json(json, r#"{"type":"join","room":"b"}"#)), "rooms_full");
    assert_eq!(stage.ask(ann, "/join b"), [sentence(1)]);
    stage.exit(ann);
    assert_eq!(stage.ask_json(json, r#"{"type":"join","room":"b"}"#)["type"], "joined");
}

/// The bytes that each message of these tests counts: its length in HTML, which is longer than in JSON.
const COUNTED: usize = concat!(
    r#"<div class="message"><time datetime="2026-11-21T01:23:45.678Z">01:23:45</time> "#,
    r#"<b class="name">passer-by</b> <span class="text">x</span></div>"#
)
.len();

#[test]
fn the_histories_together_are_limited_and_the_largest_forgets_first() {
    let mut stage = Stage::with(|settings| settings.history_total = 6 * COUNTED);
    leave_behind(&mut stage, "small", "s");
    let ann = stage.enter(Format::Lines, "h", "passer-by");
    for text in ["1", "2", "3", "4", "5", "6", "7"] {
        stage.receive(ann, text);
    }
    assert_eq!(
        left_in(&mut stage, "h"),
        ["3", "4", "5", "6", "7"],
        "its own oldest, in favour of the small one"
    );
    stage.exit(ann);
    // A newcomer takes from the largest, though that is empty and not the longest empty.
    for (room, left) in [("b", 4), ("c", 3), ("d", 2)] {
        leave_behind(&mut stage, room, "x");
        assert_eq!(left_in(&mut stage, "h").len(), left, "{room}");
    }
    for room in ["b", "c", "d"] {
        assert_eq!(left_in(&mut stage, room), ["x"], "{room}");
    }
    assert_eq!(left_in(&mut stage, "small"), ["s"]);
}

#[test]
fn nobody_empties_a_room_by_filling_others() {
    let mut stage = Stage::with(|settings| {
        settings.history_total = 64 << 10;
        (settings.rate, settings.burst) = (0, 1);
    });
    let victim = stage.enter(Format::Lines, "victim", "vic");
    for n in 0..10 {
        stage.receive(victim, &format!("{n}"));
    }
    let hoarder = stage.enter(Format::Json, "h0", "hoarder");
    for n in 0..30 {
        let room = format!("h{n}");
        stage.receive(hoarder, &json!({"type": "join", "room": room}).to_string());
        for _ in 0..100 {
            stage
                .receive(hoarder, &json!({"type": "say", "room": room, "text": "x".repeat(500)}).to_string());
        }
    }
    assert_eq!(left_in(&mut stage, "victim").len(), 10);
    stage.exit(victim);
    stage.receive(hoarder, &json!({"type": "say", "room": "h1", "text": "x".repeat(500)}).to_string());
    assert_eq!(left_in(&mut stage, "victim").len(), 10, "nor while nobody is in it");
}

#[test]
fn a_room_whose_history_was_taken_counts_on_and_is_not_recovered() {
    let mut stage = Stage::with(|settings| settings.history_total = 300);
    let ann = stage.enter(Format::Json, "a", "passer-by");
    let bob = stage.enter(Format::Json, "b", "passer-be");
    stage.receive(ann, r#"{"message":"1"}"#);
    stage.receive(bob, &json!({"message": "1".repeat(40)}).to_string());
    let joined = stage.ask_json(bob, r#"{"type":"join","room":"b"}"#);
    assert_eq!((&joined["history"], &joined["offset"]), (&json!([]), &json!(1)), "b is the larger");
    let again = json!({"type": "join", "room": "b", "since": 0, "epoch": joined["epoch"]});
    assert_eq!(stage.ask_json(bob, &again.to_string())["recovered"], false);
    assert_eq!(stage.ask_json(bob, r#"{"message":"2"}"#)["offset"], 2);
}

const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn messages_are_remembered_for_an_age_and_rooms_end_without_traffic() {
    let mut stage = Stage::with(|settings| (settings.history_age, settings.max_rooms) = (HOUR, 2));
    let ann = stage.enter(Format::Json, "lobby", "ann");
    stage.receive(ann, r#"{"message":"1"}"#);
    leave_behind(&mut stage, "attic", "x");
    stage.later(HOUR / 2);
    stage.receive(ann, r#"{"message":"2"}"#);
    stage.later(HOUR / 2 - Duration::from_nanos(1));
    stage.tick();
    let joined = stage.ask_json(ann, r#"{"type":"join","room":"lobby"}"#);
    assert_eq!(joined["history"].as_array().unwrap().len(), 2);

    stage.later(Duration::from_nanos(1));
    // Nobody hears of it, though it is still to be searched for.
    let again = json!({"type": "join", "room": "lobby", "since": 0, "epoch": joined["epoch"]}).to_string();
    let again = stage.ask_json(ann, &again);
    assert_eq!((&again["recovered"], &again["history"][0]["offset"]), (&json!(false), &json!(2)));
    assert_eq!(left_in(&mut stage, "lobby").len(), 1);
    assert_eq!(left_in(&mut stage, "attic").len(), 0);

    let mut searches = 0;
    while let Some(due) = stage.hub.due() {
        stage.now.instant = due;
        stage.tick();
        searches += 1;
    }
    assert!((1..=40).contains(&searches), "{searches}");
    let joined = stage.ask_json(ann, r#"{"type":"join","room":"lobby"}"#);
    assert_eq!((&joined["history"], &joined["offset"]), (&json!([]), &json!(2)));
    assert_eq!(stage.ask_json(ann, r#"{"message":"3"}"#)["offset"], 3);
    // The attic has ended, so there is place for another.
    let other = stage.enter_as(entry(Format::Lines, "cellar"));
    assert_eq!(stage.dismissal(other), None);
}

#[test]
fn many_idle_rooms_are_searched_together_and_in_parts() {
    let mut stage = Stage::with(|settings| settings.history_age = HOUR);
    for n in 0..1_000 {
        leave_behind(&mut stage, &format!("room {n}"), "x");
        stage.later(Duration::from_millis(100));
    }
    let mut searches = 0;
    while let Some(due) = stage.hub.due() {
        stage.now.instant = due;
        stage.tick();
        searches += 1;
    }
    assert!((2..=6).contains(&searches), "100 seconds of rooms in {searches} searches");
    assert_eq!(left_in(&mut stage, "room 7"), [""; 0]);

    // More than are forgotten at once: the rest is due immediately.
    let client = stage.enter(Format::Raw, "other", "");
    let mut rooms = Vec::new();
    for n in 0..150 {
        let ann = stage.enter(Format::Lines, &format!("room {n}"), "ann");
        for _ in 0..100 {
            stage.later(Duration::from_millis(30));
            stage.receive(ann, "x");
        }
        rooms.push(ann);
        stage.exit(ann);
    }
    stage.later(2 * HOUR);
    stage.tick();
    assert!(
        stage.hub.due().is_some_and(|due| due <= stage.now.instant),
        "15,000 messages are too many at once"
    );
    stage.tick();
    assert_eq!(stage.hub.due(), None);
    stage.exit(client);
}

#[test]
fn without_an_age_nothing_is_due_and_at_its_extremes_nothing_overflows() {
    for age in [Duration::ZERO, Duration::MAX, Duration::from_nanos(1)] {
        let mut stage = Stage::with(|settings| settings.history_age = age);
        leave_behind(&mut stage, "a", "x");
        stage.later(HOUR);
        let due = stage.hub.due();
        assert_eq!(due.is_some(), age == Duration::from_nanos(1), "{age:?}");
        stage.tick();
        assert_eq!(left_in(&mut stage, "a").len(), usize::from(due.is_none()), "{age:?}");
    }
}

#[test]
fn room_ids_are_dense_and_used_again() {
    let mut stage = Stage::new();
    for n in 0..50 {
        let ann = stage.enter(Format::Lines, &format!("room {n}"), "ann");
        stage.exit(ann);
    }
    let rooms: BTreeSet<_> = stage.out.subscribers.keys().map(|channel| channel.room.index()).collect();
    assert_eq!(rooms.into_iter().collect::<Vec<_>>(), [0]);
    assert!(stage.out.subscribers.values().all(BTreeSet::is_empty));
}
