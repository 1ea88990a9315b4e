{{- define "skupper.labels" -}}
application: skupper-controller
app.kubernetes.io/name: skupper-controller
app.kubernetes.io/part-of: skupper
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "skupper.role" -}}
{{- if eq .Values.scope "cluster" -}}
Cluster
{{- else if ne .Values.scope "namespace" -}}
{{- fail (printf "scope is %q, expected cluster or namespace" .Values.scope) -}}
{{- end -}}
Role
{{- end -}}
