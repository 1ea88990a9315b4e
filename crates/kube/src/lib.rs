//! The Kubernetes shell round the model of a site: controller and adaptor.
