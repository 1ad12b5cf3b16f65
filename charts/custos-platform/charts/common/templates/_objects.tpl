{{- /*
Whole objects that look the same in every chart.
*/ -}}

{{- /*
common.serviceAccount: a ServiceAccount whose token no pod gets unless it asks.
  context, name, component  as in common.metadata
*/ -}}
{{- define "common.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "common.metadata" . | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}

{{- /*
common.pdb: a PodDisruptionBudget; one pod at a time may be evicted, also where there is only one (else its node could never be drained).
  context, name, component  as in common.metadata
*/ -}}
{{- define "common.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "common.selectorLabels" . | nindent 6 }}
{{- end -}}

{{- /*
common.role: a Role and the RoleBinding that gives it to a ServiceAccount of the same name.
  context, name, component  as in common.metadata
  rules                     the Role's rules, a list
*/ -}}
{{- define "common.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "common.metadata" . | nindent 2 }}
rules:
  {{- toYaml .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "common.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "common.name" . }}
subjects:
  - kind: ServiceAccount
    name: {{ include "common.name" . }}
    namespace: {{ .context.Release.Namespace }}
{{- end -}}

{{- /*
common.volumeClaim: one entry of a StatefulSet's volumeClaimTemplates.
  context      the root context (global.storageClass is the default class)
  name         the claim's name, as the pod's volume mount says it
  component    as in common.selectorLabels
  persistence  {size, storageClass, annotations}
The labels are the selector's only: what a StatefulSet says here can never be changed, and a chart's version would.
*/ -}}
{{- define "common.volumeClaim" -}}
metadata:
  name: {{ .name }}
  labels:
    {{- include "common.selectorLabels" . | nindent 4 }}
  {{- with .persistence.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with default .context.Values.global.storageClass .persistence.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ .persistence.size }}
{{- end -}}
