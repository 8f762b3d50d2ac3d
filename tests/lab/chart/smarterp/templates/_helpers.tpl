{{/* Which of the two kinds this environment is; the namespace's name decides. */}}
{{- define "smarterp.env" -}}
{{- if contains "development" (lower .Release.Namespace) }}homologacao{{ else }}producao{{ end -}}
{{- end }}

{{/* Labels of objects and of pods, not of selectors: others change `base` while the environment lives, and a
     selector cannot follow. */}}
{{- define "smarterp.labels" -}}
app: {{ .name }}
{{- with .base }}
base: {{ . | quote }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.Version | quote }}
{{- end }}

{{/* One Deployment. Takes root, name, replicas and, unless it is the sleeper, base and depends. */}}
{{- define "smarterp.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "smarterp.labels" . | nindent 4 }}
  {{- with .depends }}
  annotations:
    tks.sh/sleeper.depends: {{ . | quote }}
  {{- end }}
spec:
  replicas: {{ .replicas }}
  selector:
    matchLabels:
      app: {{ .name }}
  template:
    metadata:
      labels:
        {{- include "smarterp.labels" . | nindent 8 }}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: main
          image: {{ .root.Values.image | quote }}
          env:
            - name: PROTHEUS_VERSION
              value: {{ .root.Chart.Version | quote }}
            - name: PROTHEUS_IMAGE_TAG
              value: {{ .root.Values.imageTag | quote }}
{{- end }}

{{/* The Service of one Deployment. Takes root and name. */}}
{{- define "smarterp.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}-svc
  labels:
    app: {{ .name }}
  annotations:
    tks.sh/sleeper.user: {{ .root.Values.sleeperUser | quote }}
spec:
  selector:
    app: {{ .name }}
  ports:
    - name: main
      port: 8080
      protocol: TCP
{{- end }}
