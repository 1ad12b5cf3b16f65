{{- /*
The only place that makes names and labels of objects.
*/ -}}

{{- /*
common.name: the name of an object, never longer than a Kubernetes label may be.
  context  the root context ($)
  name     what the object is, without the release: "mysql", "mysql-primary"
  max      longest name (63; a StatefulSet's is 52, its pods' revision label needs the rest)
A name that is the release's own or begins with it is not given the release a second time. Where the whole is too long it is cut and a
hash of the whole appended, so that two long names stay different. A release's name may hold dots, a Service's may not.
*/ -}}
{{- define "common.name" -}}
{{- $max := int (default 63 .max) -}}
{{- $release := .context.Release.Name | replace "." "-" -}}
{{- $whole := printf "%s-%s" $release .name -}}
{{- if or (eq .name $release) (hasPrefix (printf "%s-" $release) .name) -}}
{{- $whole = .name -}}
{{- end -}}
{{- if gt (len $whole) $max -}}
{{- printf "%s-%s" ($whole | trunc (int (sub $max 9)) | trimSuffix "-") ($whole | sha256sum | trunc 8) -}}
{{- else -}}
{{- $whole -}}
{{- end -}}
{{- end -}}

{{- /*
common.host: the full DNS name of a Service of this release, ending in a dot: no search list is tried, so that a slow DNS server costs one
time-out and not four.
  context  the root context
  name     the Service as common.name takes it
  dot      false leaves the last dot out (for certificates, and for programs that do not bear it)
*/ -}}
{{- define "common.host" -}}
{{- $dot := ternary "." "" (ne (toString .dot) "false") -}}
{{- printf "%s.%s.svc.%s%s" (include "common.name" (dict "context" .context "name" .name)) .context.Release.Namespace .context.Values.global.clusterDomain $dot -}}
{{- end -}}

{{- /*
common.urlHost: a host as a URL has it: an IPv6 address in brackets.
  . the host
*/ -}}
{{- define "common.urlHost" -}}
{{- if contains ":" . -}}[{{ . }}]{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- /*
common.selectorLabels: what never changes for the pods of one component; selectors hold these and no others.
  context    the root context
  component  the part of the chart: "server", "user-profile-core-service"
  chart      the chart whose pods are meant (the context's own)
*/ -}}
{{- define "common.selectorLabels" -}}
app.kubernetes.io/name: {{ default .context.Chart.Name .chart }}
app.kubernetes.io/instance: {{ .context.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- /*
common.labels: the labels of every object.
  context, component  as in common.selectorLabels
*/ -}}
{{- define "common.labels" -}}
{{ include "common.selectorLabels" . }}
app.kubernetes.io/part-of: custos-platform
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
app.kubernetes.io/version: {{ default .context.Chart.Version .context.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- /*
common.podLabels: the labels of a pod. Without versions: a new version of the chart alone must not restart every pod.
  context, component  as in common.selectorLabels
*/ -}}
{{- define "common.podLabels" -}}
{{ include "common.selectorLabels" . }}
app.kubernetes.io/part-of: custos-platform
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
{{- end -}}

{{- /*
common.metadata: name and labels, what stands under `metadata:` of nearly every object.
  context, component  as in common.selectorLabels
  name, max           as in common.name
*/ -}}
{{- define "common.metadata" -}}
name: {{ include "common.name" . }}
labels:
  {{- include "common.labels" . | nindent 2 }}
{{- end -}}
