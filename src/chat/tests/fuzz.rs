//! Whatever peers send, nothing panics, offsets are consecutive, and the outbox's contract holds.

use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Enter { slot: u32, format: Format, room: u8, name: Option<String> },
    Text { slot: u32, text: String },
    Binary { slot: u32, bytes: Vec<u8> },
    Exit { slot: u32 },
    Lag { slot: u32 },
    CatchUp { slot: u32 },
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0..6_u32;
    prop_oneof![
        3 => (slot(), prop::sample::select(&Format::ALL[..]), 0..4_u8, prop::option::of(name()))
            .prop_map(|(slot, format, room, name)| Step::Enter { slot, format, room, name }),
        10 => (slot(), prop_oneof![request(), line(), any::<String>()])
            .prop_map(|(slot, text)| Step::Text { slot, text }),
        1 => (slot(), vec(any::<u8>(), 0..9)).prop_map(|(slot, bytes)| Step::Binary { slot, bytes }),
        1 => slot().prop_map(|slot| Step::Exit { slot }),
        1 => slot().prop_map(|slot| Step::Lag { slot }),
        1 => slot().prop_map(|slot| Step::CatchUp { slot }),
        1 => (0..1500_u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,2}", any::<String>()]
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("/who".to_owned()),
        Just("quit".to_owned()),
        "/join r[0-3]",
        "/nick [ab]{1,2}",
        "/[a-z/ ]{0,5}\\PC{0,9}",
    ]
}

/// Objects of the right form, most of the time.
fn request() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        4 => "[ab]{0,3}".prop_map(Value::from),
        4 => "r[0-3]".prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => (0..9_u64).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(serde_json::json!([{"a": [1.5]}])),
    ];
    let kind = prop::sample::select(&["say", "join", "leave", "nick", "who", "ping", "typing"][..]);
    let fields =
        prop::sample::select(&["id", "room", "text", "message", "name", "since", "epoch", "else"][..]);
    (prop::option::weighted(0.9, kind), prop::collection::btree_map(fields, value, 0..6), 0..40_usize)
        .prop_map(|(kind, fields, cut)| {
            let mut object: serde_json::Map<_, _> =
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            object.extend(kind.map(|kind| ("type".to_owned(), kind.into())));
            let text = Value::from(object).to_string();
            // Now and then, half of it.
            if cut == 0 { text.chars().take(text.chars().count() / 2).collect() } else { text }
        })
}

/// Offsets continue from `joined` by one, for each room a `json` client hears, but for what a `gap` names.
fn check_offsets(heard: &[Value]) {
    let mut expected: HashMap<(String, String), u64> = HashMap::new();
    let mut epochs: HashMap<String, String> = HashMap::new();
    for event in heard {
        let room = event["room"].as_str().unwrap_or_default().to_owned();
        let offset = event["offset"].as_u64();
        match event["type"].as_str().unwrap() {
            "joined" => {
                let epoch = event["epoch"].as_str().unwrap().to_owned();
                let held: Vec<_> = event["history"].as_array().unwrap().iter().collect();
                assert!(held.windows(2).all(|two| two[0]["offset"].as_u64() < two[1]["offset"].as_u64()));
                assert!(held.last().is_none_or(|last| last["offset"].as_u64() <= offset));
                epochs.insert(room.clone(), epoch.clone());
                expected.insert((room, epoch), offset.unwrap() + 1);
            }
            kind @ ("message" | "gap") => {
                let next = expected.get_mut(&(room.clone(), epochs[&room].clone())).unwrap();
                let (from, to) = match kind {
                    "gap" => (event["from"].as_u64(), event["to"].as_u64()),
                    _ => (offset, offset),
                };
                assert_eq!(from, Some(*next));
                assert!(to >= from);
                *next = to.unwrap() + 1;
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_events_keeps_the_contract(steps in vec(step(), 1..80)) {
        let mut stage = Stage::with(|settings| {
            settings.max_rooms = 3;
            settings.max_rooms_joined = 2;
            settings.presence_limit = 2;
            settings.history_messages = 3;
            settings.history_bytes = 700;
            settings.history_total = 1_200;
            settings.history_age = Duration::from_secs(20);
            settings.max_text = 20;
            (settings.rate, settings.burst) = (3, 20);
        });
        let mut generations = [0_u32; 6];
        let mut everybody = Vec::new();
        let present = |generations: &[u32; 6], slot: u32| ClientId { slot, generation: generations[slot as usize] };
        for step in steps {
            match step {
                Step::Enter { slot, format, room, name } => {
                    generations[slot as usize] += 1;
                    let client = present(&generations, slot);
                    let room = format!("r{room}");
                    let entry = Entry { name: name.as_deref(), ..entry(format, &room) };
                    stage.hub.enter(client, &entry, stage.now, &mut stage.out);
                    everybody.push((client, format));
                }
                Step::Text { slot, text } => stage.receive(present(&generations, slot), &text),
                Step::Binary { slot, bytes } => stage.hub.receive(
                    present(&generations, slot), Payload::Binary(&bytes), stage.now, &mut stage.out),
                Step::Exit { slot } => stage.exit(present(&generations, slot)),
                Step::Lag { slot } => stage.lag(present(&generations, slot)),
                Step::CatchUp { slot } => stage.catch_up(present(&generations, slot)),
                Step::Wait { ms } => {
                    stage.later(Duration::from_millis(ms));
                    stage.tick();
                    assert!(stage.hub.due().is_none_or(|due| due > stage.now.instant));
                }
            }
        }
        for (client, format) in everybody {
            stage.catch_up(client);
            match format {
                Format::Json => check_offsets(&stage.heard_json(client)),
                Format::Lines => {
                    let one_line = |line: &String| !line.contains(|c: char| c.is_control() && c != '\t');
                    assert!(stage.heard(client).iter().all(one_line));
                }
                Format::Html | Format::Raw => {}
            }
            stage.exit(client);
        }
        assert!(stage.out.subscribers.values().all(BTreeSet::is_empty), "everybody was unsubscribed");
        // The rooms end by themselves.
        while let Some(due) = stage.hub.due() {
            stage.now.instant = due.max(stage.now.instant);
            stage.tick();
        }
    }
}
