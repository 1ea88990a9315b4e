//! The CustomResourceDefinitions, made from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceStatus,
    CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};

use crate::{
    AccessGrant, AccessToken, AttachedConnector, AttachedConnectorBinding, Certificate, Connector,
    GROUP, Kind, Link, Listener, MultiKeyListener, RouterAccess, SecuredAccess, Site, VERSION,
};

/// The definitions of all twelve kinds, in alphabetical order.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        crd::<AccessGrant>(),
        crd::<AccessToken>(),
        crd::<AttachedConnectorBinding>(),
        crd::<AttachedConnector>(),
        crd::<Certificate>(),
        crd::<Connector>(),
        crd::<Link>(),
        crd::<Listener>(),
        crd::<MultiKeyListener>(),
        crd::<RouterAccess>(),
        crd::<SecuredAccess>(),
        crd::<Site>(),
    ]
}

/// The definition of one kind.
pub fn crd<K: Kind>() -> CustomResourceDefinition {
    CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(format!("{}.{GROUP}", K::PLURAL)),
            ..Default::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: GROUP.to_owned(),
            names: CustomResourceDefinitionNames {
                kind: K::KIND.to_owned(),
                list_kind: Some(format!("{}List", K::KIND)),
                plural: K::PLURAL.to_owned(),
                singular: Some(K::SINGULAR.to_owned()),
                short_names: (!K::SHORT_NAMES.is_empty()).then(|| owned(K::SHORT_NAMES)),
                ..Default::default()
            },
            scope: "Namespaced".to_owned(),
            versions: vec![CustomResourceDefinitionVersion {
                name: VERSION.to_owned(),
                served: true,
                storage: true,
                schema: Some(CustomResourceValidation {
                    open_api_v3_schema: Some(object_schema::<K>()),
                }),
                subresources: Some(CustomResourceSubresources {
                    status: Some(CustomResourceSubresourceStatus(serde_json::json!({}))),
                    ..Default::default()
                }),
                additional_printer_columns: Some(columns::<K>()),
                ..Default::default()
            }],
            ..Default::default()
        },
        ..Default::default()
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn columns<K: Kind>() -> Vec<CustomResourceColumnDefinition> {
    K::COLUMNS
        .iter()
        .map(|column| CustomResourceColumnDefinition {
            name: column.name.to_owned(),
            type_: column.type_.as_str().to_owned(),
            json_path: column.json_path.to_owned(),
            description: Some(column.description.to_owned()),
            ..Default::default()
        })
        .collect()
}

/// The schema of the whole object. The API server adds `apiVersion`, `kind` and `metadata` by itself.
fn object_schema<K: Kind>() -> JSONSchemaProps {
    JSONSchemaProps {
        description: Some(prose(K::DESCRIPTION.iter().copied())),
        type_: Some("object".to_owned()),
        properties: Some(
            [
                ("spec".to_owned(), schema_of::<K::Spec>()),
                ("status".to_owned(), schema_of::<K::Status>()),
            ]
            .into_iter()
            .collect(),
        ),
        required: K::SPEC_REQUIRED.then(|| vec!["spec".to_owned()]),
        ..Default::default()
    }
}

/// Doc comments as prose: source lines that belong together become one, for `kubectl explain` breaks lines itself.
/// Paragraphs and list items keep lines of their own.
fn prose<'l>(lines: impl Iterator<Item = &'l str>) -> String {
    let mut text = String::new();
    let mut begin = true;
    for line in lines.map(str::trim) {
        if line.is_empty() {
            text.push_str("\n\n");
            begin = true;
            continue;
        }
        if !begin {
            text.push(if line.starts_with("- ") { '\n' } else { ' ' });
        }
        text.push_str(line);
        begin = false;
    }
    text
}

/// The schema of a type as a CRD may have it: everything in its place, nothing by reference.
fn schema_of<T: JsonSchema>() -> JSONSchemaProps {
    let generator = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
            settings.transforms.clear();
        })
        .with_transform(as_crd)
        .into_generator();
    // Both sides are plain data made by this crate; the tests look at every schema there is.
    serde_json::from_value(generator.into_root_schema_for::<T>().to_value()).unwrap_or_default()
}

/// Takes out what JSON Schema says and a CRD does not: titles, defaults (they are applied in code, as upstream does),
/// the choice of `null`, and the width of integers that have no bounds.
fn as_crd(schema: &mut Schema) {
    schema.remove("title");
    schema.remove("default");
    let description = schema
        .get("description")
        .and_then(|text| text.as_str())
        .map(|text| prose(text.lines()));
    if let Some(description) = description {
        schema.insert("description".to_owned(), description.into());
    }
    if schema.get("type").is_some_and(|type_| type_ == "integer") && schema.get("minimum").is_none()
    {
        schema.remove("format");
    }
    if let Some(serde_json::Value::Array(types)) = schema.get("type") {
        let known = types.iter().find(|type_| *type_ != "null").cloned();
        if let Some(known) = known {
            schema.insert("type".to_owned(), known);
        }
    }
    transform_subschemas(&mut as_crd, schema);
}
