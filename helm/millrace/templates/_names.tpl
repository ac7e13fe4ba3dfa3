{{/* What things are called, and the labels by which they are found. */}}

{{- define "millrace.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains "millrace" $name) }}{{ $name = printf "%s-millrace" $name }}{{ end -}}
{{- $name | trunc 35 | trimSuffix "-" -}}
{{- end }}

{{/* Of a service: (list $ "order-intake"). */}}
{{- define "millrace.name" -}}
{{- include "millrace.fullname" (index . 0) }}-{{ index . 1 -}}
{{- end }}

{{/* What selects the pods of a service, or of anything else in this release: (list $ "order-intake"). */}}
{{- define "millrace.selector" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Everything that is labelled: (list $ "order-intake"). */}}
{{- define "millrace.labels" -}}
{{- $root := index . 0 -}}
{{ include "millrace.selector" . }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: millrace
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* (list $ service): the service's own image, or everybody's. */}}
{{- define "millrace.image" -}}
{{- $root := index . 0 -}}
{{- $own := (index . 1).image -}}
{{ $own.repository | default $root.Values.image.repository }}:{{ $own.tag | default $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}
