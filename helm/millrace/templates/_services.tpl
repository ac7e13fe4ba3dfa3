{{/* Which services there are, and what holds for each. */}}

{{/* (list base over): `over` over `base`, as JSON. Unlike `merge`, it lets `false`, 0 and "" win. */}}
{{- define "millrace.over" -}}
{{- $merged := deepCopy (index . 0) -}}
{{- range $key, $value := index . 1 -}}
  {{- $below := get $merged $key -}}
  {{- if and (kindIs "map" $value) (kindIs "map" $below) -}}
    {{- $_ := set $merged $key (include "millrace.over" (list $below $value) | fromJson) -}}
  {{- else -}}
    {{- $_ := set $merged $key $value -}}
  {{- end -}}
{{- end -}}
{{- toJson $merged -}}
{{- end }}

{{/* By name, each with everything it has; only those that are deployed. As JSON. */}}
{{- define "millrace.services" -}}
{{- $services := dict -}}
{{- range $name, $own := .Values.services -}}
  {{- $service := include "millrace.over" (list $.Values.defaults ($own | default dict)) | fromJson -}}
  {{- if $service.enabled -}}
    {{- $_ := set $services $name $service -}}
  {{- end -}}
{{- end -}}
{{- toJson $services -}}
{{- end }}

{{/* Does it read the ERP's changes, so that webhooks hasten it? */}}
{{- define "millrace.isHooked" -}}
{{- if ne . "shop-delivery" }}true{{ end -}}
{{- end }}

{{/* Has it, or may it have, more than one pod? */}}
{{- define "millrace.hasSeveral" -}}
{{- if eq .autoscaling.kind "none" -}}
  {{- if gt (int .replicas) 1 }}true{{ end -}}
{{- else if gt (int .autoscaling.minReplicas) 1 }}true{{ end -}}
{{- end }}
