{{/* (list $ "kafka"): the way to a neighbour; anywhere where nobody said where it is. */}}
{{- define "millrace.egress" -}}
{{- $policy := (index . 0).Values.networkPolicy -}}
{{- $who := index . 1 -}}
- ports:
    {{- range get $policy (printf "%sPorts" $who) }}
    - port: {{ int . }}
    {{- end }}
  {{- with get $policy $who }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Names are looked up wherever the cluster does that. */}}
{{- define "millrace.egressToNames" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end }}
