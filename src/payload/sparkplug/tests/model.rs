//! Messages by the field numbers of the specification; for tests and fuzzing alone.

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payload {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) seq: Option<u64>,
    #[prost(string, optional, tag = "4")]
    pub(crate) uuid: Option<String>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(crate) body: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    pub(crate) datatype: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    pub(crate) is_historical: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub(crate) is_transient: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(crate) is_null: Option<bool>,
    #[prost(message, optional, tag = "8")]
    pub(crate) metadata: Option<MetaData>,
    #[prost(message, optional, tag = "9")]
    pub(crate) properties: Option<PropertySet>,
    #[prost(oneof = "value::Value", tags = "10, 11, 12, 13, 14, 15, 16, 17, 18")]
    pub(crate) value: Option<value::Value>,
}

pub(crate) mod value {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Value {
        #[prost(uint32, tag = "10")]
        Int(u32),
        #[prost(uint64, tag = "11")]
        Long(u64),
        #[prost(float, tag = "12")]
        Float(f32),
        #[prost(double, tag = "13")]
        Double(f64),
        #[prost(bool, tag = "14")]
        Boolean(bool),
        #[prost(string, tag = "15")]
        Text(String),
        #[prost(bytes, tag = "16")]
        Bytes(Vec<u8>),
        #[prost(message, tag = "17")]
        DataSet(super::DataSet),
        #[prost(message, tag = "18")]
        Template(super::Template),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MetaData {
    #[prost(bool, optional, tag = "1")]
    pub(crate) is_multi_part: Option<bool>,
    #[prost(string, optional, tag = "2")]
    pub(crate) content_type: Option<String>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) size: Option<u64>,
    #[prost(string, optional, tag = "8")]
    pub(crate) description: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PropertySet {
    #[prost(string, repeated, tag = "1")]
    pub(crate) keys: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) values: Vec<PropertyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PropertyValue {
    #[prost(uint32, optional, tag = "1")]
    pub(crate) kind: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    pub(crate) int: Option<u32>,
    #[prost(string, optional, tag = "8")]
    pub(crate) text: Option<String>,
    #[prost(message, optional, tag = "9")]
    pub(crate) set: Option<PropertySet>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DataSet {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) columns_count: Option<u64>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) columns: Vec<String>,
    #[prost(uint32, repeated, packed = "false", tag = "3")]
    pub(crate) types: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) rows: Vec<Row>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Row {
    #[prost(message, repeated, tag = "1")]
    pub(crate) elements: Vec<Cell>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Cell {
    #[prost(uint32, optional, tag = "1")]
    pub(crate) int: Option<u32>,
    #[prost(double, optional, tag = "4")]
    pub(crate) double: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Template {
    #[prost(string, optional, tag = "1")]
    pub(crate) version: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) metrics: Vec<Metric>,
    #[prost(string, optional, tag = "4")]
    pub(crate) template_ref: Option<String>,
    #[prost(bool, optional, tag = "5")]
    pub(crate) is_definition: Option<bool>,
}
