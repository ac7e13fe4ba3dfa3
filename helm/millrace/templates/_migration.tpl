{{/* Whether migrations are part of the release instead of hooks before it: what they sign in to, or as whom, is made by it. */}}
{{- define "millrace.migratesInRelease" -}}
{{- if or .Values.cnpg.enabled .Values.strimzi.users.enabled }}yes{{ end -}}
{{- end }}

{{/* (list $ name service configMap): the pod that makes a service's tables, and topics unless Strimzi does. */}}
{{- define "millrace.migration" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $service := index . 2 -}}
metadata:
  labels:
    {{- include "millrace.selector" (list $root "migrate") | nindent 4 }}
    app.kubernetes.io/part-of: millrace
  annotations:
    checksum/settings: {{ sha256sum $root.Values.settings }}
spec:
  restartPolicy: Never
  {{- include "millrace.podSecurity" $root | nindent 2 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  containers:
    - name: migrate
      image: {{ include "millrace.image" (list $root $service) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args:
        - migrate
        - {{ $name }}
        {{- if $root.Values.strimzi.topics.enabled }}
        - --topics=off
        {{- end }}
      env:
        {{- include "millrace.env" (list $root $name $service) | nindent 8 }}
      resources:
        {{- toYaml $root.Values.migrate.resources | nindent 8 }}
      {{- include "millrace.containerSecurity" $root | nindent 6 }}
      volumeMounts:
        {{- include "millrace.mounts" . | nindent 8 }}
  volumes:
    {{- include "millrace.volumes" . | nindent 4 }}
  {{- with $service.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $service.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
