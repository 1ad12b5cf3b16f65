{{- /*
What more than one template of this chart says. Velero's own code looks for these names in its namespace, so no release's name stands before them: Deployment
`velero`, DaemonSet `node-agent` with label `role: node-agent`, BackupStorageLocation `default` (v1.17: pkg/repository/maintenance, pkg/nodeagent, pkg/restore/actions).
*/ -}}

{{- /*
velero.metadata: name, namespace and labels of an object in Velero's namespace.
  context, component  as in common.selectorLabels
  name                as Velero's code looks for it
*/ -}}
{{- define "velero.metadata" -}}
name: {{ .name }}
namespace: {{ .context.Values.namespace }}
labels:
  {{- include "common.labels" . | nindent 2 }}
{{- end -}}

{{- /*
velero.inCluster: the name of what is of no namespace; the release's namespace is in it, so that two releases do not meet.
  context  the chart's context
  name     "velero", "velero-node-agent"
*/ -}}
{{- define "velero.inCluster" -}}
{{- include "common.name" (dict "context" .context "name" (printf "%s-%s-%s" .context.Release.Name .context.Release.Namespace .name)) -}}
{{- end -}}

{{- /*
velero.podDefaults: the lines that both pods' specs have. The token is a volume, which Velero copies into the pods that it makes, unlike a setting of the pod.
  context, serviceAccount
*/ -}}
{{- define "velero.podDefaults" -}}
serviceAccountName: {{ .serviceAccount }}
automountServiceAccountToken: false
enableServiceLinks: false
dnsConfig:
  {{- include "common.dnsConfig" . | nindent 2 }}
{{- with include "common.pullSecrets" . }}
{{ . }}
{{- end }}
{{- end -}}

{{- /* velero.environment: what server and agents share. Kopia keeps its configuration and its cache below HOME. */ -}}
{{- define "velero.environment" -}}
- name: VELERO_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- {name: VELERO_SCRATCH_DIR, value: /scratch}
- {name: HOME, value: /scratch}
{{- end -}}

{{- /* velero.mounts and velero.volumes: what server and agents share; /tmp also holds the store's login, which Velero writes there. */ -}}
{{- define "velero.mounts" -}}
- {name: account, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
- {name: scratch, mountPath: /scratch}
- {name: tmp, mountPath: /tmp}
{{- end -}}
{{- define "velero.volumes" -}}
- {{- include "common.tokenVolume" (dict "name" "account") | nindent 2 }}
- name: scratch
  emptyDir: {sizeLimit: 4Gi}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- end -}}

{{- /* velero.storeSecret: the Secret with the object store's login, in the release's namespace. */ -}}
{{- define "velero.storeSecret" -}}
{{- default (include "common.name" (dict "context" . "name" "object-store")) .Values.objectStore.existingSecret -}}
{{- end -}}

{{- /* velero.repositorySecret: the Secret with the password that the copies are encrypted with, in the release's namespace. */ -}}
{{- define "velero.repositorySecret" -}}
{{- include "common.name" (dict "context" . "name" "backup-repository") -}}
{{- end -}}

{{- /*
velero.secrets: what the backups need from the Secrets Job.
  context  the chart's context
*/ -}}
{{- define "velero.secrets" -}}
- name: {{ include "velero.repositorySecret" .context }}
  keys:
    repository-password: {random: 32}
{{- end -}}

{{- /*
velero.checks: what `helm test` asks of a Service; there is none.
  context  the chart's context
*/ -}}
{{- define "velero.checks" -}}
{{- end -}}

{{- /*
velero.podResources: resources as Velero's own options have them ("0" is none).
  resources  as in common.resources
*/ -}}
{{- define "velero.podResources" -}}
{{- $requests := default dict .resources.requests -}}
{{- $limits := default dict .resources.limits -}}
{{- dict
      "cpuRequest" (default "0" $requests.cpu | toString) "memoryRequest" (default "0" $requests.memory | toString)
      "cpuLimit" (default "0" $limits.cpu | toString) "memoryLimit" (default "0" $limits.memory | toString)
    | toJson -}}
{{- end -}}

{{- /* velero.agentOptions: the agents' options, of the pods that copy. */ -}}
{{- define "velero.agentOptions" -}}
{{- dict "podResources" (include "velero.podResources" (dict "resources" .Values.nodeAgent.resources) | fromJson) | toJson -}}
{{- end -}}

{{- /* velero.maintenanceOptions: the options of the Jobs that tidy the store. */ -}}
{{- define "velero.maintenanceOptions" -}}
{{- dict "podResources" (include "velero.podResources" (dict "resources" .Values.resources) | fromJson) "keepLatestMaintenanceJobs" 1 | toJson -}}
{{- end -}}
