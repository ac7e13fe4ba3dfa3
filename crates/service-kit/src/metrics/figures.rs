//! Figures that others keep: read when `/metrics` is asked for, instead of being written at every step.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

/// Who keeps figures. Asked at every look at `/metrics`, so it must answer from memory.
pub trait Figures: Send + Sync + 'static {
    fn read(&self) -> Vec<Figure>;
}

/// A metric with all its values of this moment.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Without prefix, unit at the end; a counter without `_total`.
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    pub values: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises while the process lives.
    Counter,
    Gauge,
}

#[derive(Debug, Clone)]
pub struct Value {
    pub labels: Vec<(&'static str, String)>,
    pub value: u64,
}

impl Figure {
    #[must_use]
    pub fn new(name: &'static str, help: &'static str, kind: Kind) -> Self {
        Self {
            name,
            help,
            kind,
            values: Vec::new(),
        }
    }

    /// One value more, under the labels `labels`.
    pub fn add<const N: usize>(&mut self, labels: [(&'static str, &str); N], value: u64) {
        let labels = labels
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        self.values.push(Value { labels, value });
    }
}

pub(super) struct Asked<F>(pub F);

impl<F> fmt::Debug for Asked<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Asked")
    }
}

impl<F: Figures> Collector for Asked<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for figure in self.0.read() {
            let kind = match figure.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut family = encoder.encode_descriptor(figure.name, figure.help, None, kind)?;
            for Value { labels, value } in &figure.values {
                let mut metric = family.encode_family(labels)?;
                match figure.kind {
                    Kind::Counter => {
                        metric.encode_counter::<[(&str, &str); 0], u64, u64>(value, None)?;
                    }
                    Kind::Gauge => {
                        metric.encode_gauge(&i64::try_from(*value).unwrap_or(i64::MAX))?;
                    }
                }
            }
        }
        Ok(())
    }
}
