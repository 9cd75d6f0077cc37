//! Histograms as an HdrHistogram interval log, which other tools can read, merge and plot.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};
use hdrhistogram::serialization::{V2DeflateSerializeError, V2DeflateSerializer};
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// Tag of the histogram of times since messages were due.
pub(crate) const LATENCY: &str = "latency";
/// Tag of the histogram of times since messages were sent.
pub(crate) const SERVICE_TIME: &str = "service_time";

/// Nanoseconds per unit of Interval_Max: other writers of the format use milliseconds.
const INTERVAL_MAX_UNIT: f64 = 1e6;

/// Formats histograms of nanoseconds, each with its tag ([`LATENCY`], [`SERVICE_TIME`]).
///
/// The run started at `started`; `measured` is the part of it that the histograms cover.
pub(crate) fn log(
    started: SystemTime,
    measured: Range<Duration>,
    histograms: &[(&str, &Histogram<u64>)],
) -> Result<String, IntervalLogWriterError<V2DeflateSerializeError>> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("Values are nanoseconds, Interval_Max is in milliseconds.")
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(INTERVAL_MAX_UNIT)
        .begin_log_with(&mut log, &mut serializer)?;
    let length = measured.end.saturating_sub(measured.start);
    for &(tag, histogram) in histograms {
        writer.write_histogram(histogram, measured.start, length, Tag::new(tag))?;
    }
    Ok(String::from_utf8_lossy(&log).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    const STARTED: Duration = Duration::from_millis(1_795_260_600_250);

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are sound");
        for &value in values {
            histogram.record(value).expect("the value is within the bounds");
        }
        histogram
    }

    #[test]
    fn a_log_is_read_back_with_its_tags_and_times() {
        let latency = histogram(&[1_000, 2_000_000, 59_000_000_000]);
        let service_time = histogram(&[900, 1_500_000]);
        let seconds = |seconds| Duration::from_secs(seconds);
        let started = SystemTime::UNIX_EPOCH + STARTED;
        let log =
            log(started, seconds(7)..seconds(37), &[(LATENCY, &latency), (SERVICE_TIME, &service_time)]);
        let log = log.expect("both can be written");

        let entries: Vec<LogEntry> =
            IntervalLogIterator::new(log.as_bytes()).collect::<Result<_, _>>().expect("each line is sound");
        let [LogEntry::StartTime(start), LogEntry::BaseTime(base), histograms @ ..] = &entries[..] else {
            panic!("{entries:?}");
        };
        assert_eq!((*start, *base), (STARTED, STARTED));
        let expected = [(LATENCY, latency), (SERVICE_TIME, service_time)];
        assert_eq!(histograms.len(), expected.len());
        for (entry, (tag, histogram)) in histograms.iter().zip(expected) {
            let LogEntry::Interval(interval) = entry else { panic!("{entry:?}") };
            assert_eq!(interval.tag().map(|tag| tag.as_str()), Some(tag));
            assert_eq!((interval.start_timestamp(), interval.duration()), (seconds(7), seconds(30)));
            assert_eq!(interval.max(), (histogram.max() as f64 / 1e3).round() / 1e3);
            let bytes = STANDARD.decode(interval.encoded_histogram()).expect("base64");
            let read: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).expect("a histogram");
            assert_eq!(read, histogram);
        }
    }

    #[test]
    fn the_log_starts_with_the_head_of_the_format() {
        let log = log(SystemTime::UNIX_EPOCH + STARTED, Duration::ZERO..Duration::ZERO, &[]);
        let head = [
            "#[Histogram log format version 1.3]",
            "#Values are nanoseconds, Interval_Max is in milliseconds.",
            "#[StartTime: 1795260600.250 (seconds since epoch)]",
            "#[BaseTime: 1795260600.250 (seconds since epoch)]",
            "#[MaxValueDivisor: 1000000.000]",
            "",
        ];
        assert_eq!(log.expect("it can be written"), head.join("\n"));
    }
}
