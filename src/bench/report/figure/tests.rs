use super::super::sample;
use super::*;
use std::collections::BTreeSet;

#[test]
fn names_are_unique_and_identify_their_figure() {
    let names: BTreeSet<String> = FIGURES.iter().map(Figure::name).collect();
    assert_eq!(names.len(), FIGURES.len());
    for figure in FIGURES {
        let found = Figure::named(&figure.name()).expect("it is in the list");
        assert_eq!((found.name(), found.unit), (figure.name(), figure.unit));
    }
}

#[test]
fn a_complete_report_has_every_figure() {
    let report = sample::storm();
    for figure in FIGURES {
        let value = figure.of(&report);
        assert!(matches!(value, Value::Exact(_)), "{}: {value:?}", figure.name());
    }
}

#[test]
fn names_of_percentiles_are_parsed_and_formatted_alike() {
    for name in ["p50", "p75", "p99", "p99.9", "p99.99", "p99.999", "p0", "p100", "p33.3", "min", "max"] {
        assert_eq!(Statistic::named(name).map(Statistic::name).as_deref(), Some(name));
    }
    for name in ["p", "p101", "p-1", "p1e1", "p.5", "p99.", "pinf", "p9..9", "50"] {
        assert_eq!(Statistic::named(name), None, "{name}");
    }
}

#[test]
fn in_a_closed_loop_service_time_replaces_latency() {
    let open = sample::broadcast();
    let closed = Report { latency: None, ..open.clone() };
    let p99 = Figure::named("p99").expect("it is a percentile");
    assert_eq!((p99.of(&open), p99.full_label(&open).as_str()), (Value::Exact(4_000.0), "latency p99"));
    assert_eq!(p99.of(&closed), Value::Exact(3_600.0));
    assert_eq!(p99.full_label(&closed), "service time p99");
}

#[test]
fn values_affected_by_unanswered_messages_are_lower_bounds() {
    let report = sample::dead_server();
    let value = |name: &str| Figure::named(name).expect("it is in the list").of(&report);
    assert!(matches!(value("p99"), Value::AtLeast(4_000.0, why) if why == "12 deliveries never arrived"));
    assert!(matches!(value("mean"), Value::AtLeast(..)));
    assert_eq!(value("p50"), Value::Exact(1_000.0));
}

#[test]
fn duplicates_and_reordering_are_unknown_if_the_audit_ran_out_of_memory() {
    let mut report = sample::broadcast();
    report.messages.as_mut().expect("it has messages").unknown = 5;
    for name in ["duplicated", "reordered"] {
        let figure = Figure::named(name).expect("it is in the list");
        let value = figure.of(&report);
        assert!(matches!(&value, Value::Unknown(why) if why.starts_with("5 deliveries")), "{value:?}");
        assert!(figure.is_faulty(&value) && figure.text(&value) == "unknown");
    }
}
