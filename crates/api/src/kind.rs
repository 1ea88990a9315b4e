//! What the kinds have in common, and the macro that makes one.

use jiff::Timestamp;
use kube_core::{NamespaceResourceScope, Resource};
use schemars::JsonSchema;

use crate::status::{self, State, StatusFields, condition};

/// A kind of `skupper.io/v2alpha1`.
///
/// The kinds are made by a macro of our own and not by kube's derive, because a derived kind requires a `spec`
/// (only MultiKeyListener does here) and because a kind's summary and columns belong beside its fields.
pub trait Kind: Resource<DynamicType = (), Scope = NamespaceResourceScope> {
    /// What the user wants.
    type Spec: JsonSchema;
    /// What is.
    type Status: JsonSchema + StatusFields + Default;

    /// The name of the kind.
    const KIND: &'static str;
    /// The plural, as in URLs and `kubectl get`.
    const PLURAL: &'static str;
    /// The singular.
    const SINGULAR: &'static str;
    /// Abbreviations for `kubectl get`.
    const SHORT_NAMES: &'static [&'static str];
    /// What `kubectl get` prints.
    const COLUMNS: &'static [Column];
    /// What `kubectl explain` says of the kind: one string for each line.
    const DESCRIPTION: &'static [&'static str];
    /// Whether the API server refuses an object without `spec`.
    const SPEC_REQUIRED: bool;
    /// Whether the summary is also written as a condition of type `Ready`.
    const READY_CONDITION: bool;

    /// The status, if anybody has written one.
    fn status(&self) -> Option<&Self::Status>;
    /// The status, made if there was none.
    fn status_mut(&mut self) -> &mut Self::Status;
    /// The conditions that must all hold for the resource to be ready, the most telling first.
    fn required_conditions(&self) -> &'static [&'static str];

    /// The condition of a type.
    fn condition(&self, type_: &str) -> Option<&status::Condition> {
        self.status().and_then(|status| status.condition(type_))
    }

    /// Whether the condition of a type is there and holds.
    fn is_true(&self, type_: &str) -> bool {
        self.condition(type_)
            .is_some_and(|condition| condition.status == status::ConditionStatus::True)
    }

    /// Sets a condition, and with it the summary: `status.status`, `status.message` and the `Ready` condition.
    ///
    /// Tells whether anything changed, which is when a status is worth writing. A condition that is as it should be
    /// stays untouched, its time included. Conditions that are not among the required ones do not touch the summary.
    fn set_condition(&mut self, type_: &str, state: &State, now: Timestamp) -> bool {
        let generation = self.meta().generation.unwrap_or(0);
        let required = self.required_conditions();
        let status = self.status_mut();
        if !status::set(status.conditions_mut(), type_, state, generation, now) {
            return false;
        }
        let summary = status::summary(status.conditions(), required);
        status.set_summary(summary.reason, &summary.message);
        if Self::READY_CONDITION {
            status::set(
                status.conditions_mut(),
                condition::READY,
                &summary,
                generation,
                now,
            );
        }
        true
    }
}

/// A column of `kubectl get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub name: &'static str,
    /// How the value is printed.
    pub type_: ColumnType,
    /// Where the value stands, as a JSON path.
    pub json_path: &'static str,
    /// What the column means.
    pub description: &'static str,
}

/// How the value of a column is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// As text.
    Text,
    /// As a whole number.
    Integer,
    /// As `true` or `false`.
    Boolean,
}

impl ColumnType {
    /// The OpenAPI name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ColumnType::Text => "string",
            ColumnType::Integer => "integer",
            ColumnType::Boolean => "boolean",
        }
    }
}

/// Makes a kind: the object with its metadata, `kube_core::Resource`, [`Kind`] and serialisation.
///
/// `required` is a function from the spec to the required conditions.
macro_rules! kind {
    (
        $(#[doc = $doc:literal])+
        $kind:ident {
            spec: $spec:ty $(, spec_required: $spec_required:literal)?,
            status: $status:ty,
            plural: $plural:literal,
            singular: $singular:literal,
            short: [$($short:literal),*],
            required: $required:expr,
            ready_condition: $ready:literal,
            columns: [$($column:ident $name:literal $path:literal $description:literal,)+],
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default)]
        pub struct $kind {
            /// Name, namespace, labels and all else that every Kubernetes object has.
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            /// What the user wants.
            pub spec: $spec,
            /// What is, as the controller sees it. Absent until it has looked.
            pub status: Option<$status>,
        }

        impl $kind {
            /// A resource with a name, yet without namespace and status.
            pub fn new(name: impl Into<String>, spec: $spec) -> Self {
                Self {
                    metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                        name: Some(name.into()),
                        ..Default::default()
                    },
                    spec,
                    status: None,
                }
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct;
                let fields = if self.status.is_some() { 5 } else { 4 };
                let mut object = serializer.serialize_struct(stringify!($kind), fields)?;
                object.serialize_field("apiVersion", $crate::API_VERSION)?;
                object.serialize_field("kind", stringify!($kind))?;
                object.serialize_field("metadata", &self.metadata)?;
                object.serialize_field("spec", &self.spec)?;
                match &self.status {
                    Some(status) => object.serialize_field("status", status)?,
                    None => object.skip_field("status")?,
                }
                object.end()
            }
        }

        impl kube_core::Resource for $kind {
            type DynamicType = ();
            type Scope = kube_core::NamespaceResourceScope;

            fn kind(_: &()) -> std::borrow::Cow<'_, str> {
                stringify!($kind).into()
            }
            fn group(_: &()) -> std::borrow::Cow<'_, str> {
                $crate::GROUP.into()
            }
            fn version(_: &()) -> std::borrow::Cow<'_, str> {
                $crate::VERSION.into()
            }
            fn plural(_: &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }

        impl $crate::kind::Kind for $kind {
            type Spec = $spec;
            type Status = $status;

            const KIND: &'static str = stringify!($kind);
            const PLURAL: &'static str = $plural;
            const SINGULAR: &'static str = $singular;
            const SHORT_NAMES: &'static [&'static str] = &[$($short),*];
            const COLUMNS: &'static [$crate::kind::Column] = &[$($crate::kind::Column {
                name: $name,
                type_: $crate::kind::ColumnType::$column,
                json_path: $path,
                description: $description,
            }),+];
            const DESCRIPTION: &'static [&'static str] = &[$($doc),+];
            const SPEC_REQUIRED: bool = false $(|| $spec_required)?;
            const READY_CONDITION: bool = $ready;

            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }
            fn status_mut(&mut self) -> &mut $status {
                self.status.get_or_insert_default()
            }
            fn required_conditions(&self) -> &'static [&'static str] {
                let required: fn(&$spec) -> &'static [&'static str] = $required;
                required(&self.spec)
            }
        }
    };
}
pub(crate) use kind;
