{{- define "ceph.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "ceph.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "ceph.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "ceph.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "ceph.selectorLabels" -}}
app.kubernetes.io/name: {{ include "ceph.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ceph.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "ceph.selectorLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "ceph.controllerServiceAccount" -}}
{{- $account := .Values.controller.serviceAccount }}
{{- if $account.create }}{{ default (printf "%s-controller" (include "ceph.fullname" .)) $account.name }}{{ else }}{{ default "default" $account.name }}{{ end }}
{{- end }}

{{- define "ceph.nodeServiceAccount" -}}
{{- $account := .Values.node.serviceAccount }}
{{- if $account.create }}{{ default (printf "%s-node" (include "ceph.fullname" .)) $account.name }}{{ else }}{{ default "default" $account.name }}{{ end }}
{{- end }}

{{- define "ceph.clustersConfigMap" -}}
{{- default (printf "%s-clusters" (include "ceph.fullname" .)) .Values.existingClustersConfigMap }}
{{- end }}

{{- define "ceph.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- /* The enabled drivers, in the order of their containers: {"drivers": [{"kind": "rbd", "name": …, "values": …}]} */ -}}
{{- define "ceph.drivers" -}}
{{- $drivers := list }}
{{- range $index, $kind := list "rbd" "cephfs" }}
{{- $values := index $.Values $kind }}
{{- if $values.enabled }}
{{- $drivers = append $drivers (dict "kind" $kind "name" $values.driverName "values" $values "index" $index) }}
{{- end }}
{{- end }}
{{- dict "drivers" $drivers | toYaml }}
{{- end }}

{{- define "ceph.driverName" -}}
{{- (index .root.Values .kind).driverName }}
{{- end }}

{{- /* The settings that the controller and the node share; the sockets differ. */ -}}
{{- define "ceph.commonArgs" -}}
- --clusters-file=/etc/csi-driver-ceph/config.json
- --log-level={{ .Values.logLevel }}
{{- range (include "ceph.drivers" . | fromYaml).drivers }}
- --{{ .kind }}-driver-name={{ .name }}
{{- end }}
{{- if include "ceph.domainLabels" . }}
- --domain-labels={{ include "ceph.domainLabels" . }}
{{- end }}
{{- end }}

{{- /* Which labels make up a node's topology, for RBD alone; empty: none do. */ -}}
{{- define "ceph.domainLabels" -}}
{{- if .Values.rbd.enabled }}{{ join "," .Values.rbd.domainLabels }}{{ end }}
{{- end }}

{{- /* Whether the driver on a node asks the Kubernetes API for that Node's labels; empty: it does not. */ -}}
{{- define "ceph.readsNode" -}}
{{- if or .Values.node.readAffinity.enabled (include "ceph.domainLabels" .) }}true{{ end }}
{{- end }}

{{- /* Refuses what the schema cannot: settings that are valid alone and not together. */ -}}
{{- define "ceph.check" -}}
{{- if not (or .Values.rbd.enabled .Values.cephfs.enabled) }}
{{- fail "rbd.enabled and cephfs.enabled are both false: enable at least one of them" }}
{{- end }}
{{- if eq .Values.rbd.driverName .Values.cephfs.driverName }}
{{- fail (printf "rbd.driverName and cephfs.driverName are both %q: they have to differ" .Values.rbd.driverName) }}
{{- end }}
{{- if and .Values.clusters .Values.existingClustersConfigMap }}
{{- fail "clusters and existingClustersConfigMap are both set: the clusters file has one source, so leave one of them empty" }}
{{- end }}
{{- range $kind := list "rbd" "cephfs" }}
{{- $driver := index $.Values $kind }}
{{- if and $driver.enabled $driver.storageCapacity (not $.Values.driverCredentials) }}
{{- fail (printf "%s.storageCapacity needs driverCredentials: Kubernetes asks for capacity without any secret" $kind) }}
{{- end }}
{{- $socket := printf "%s/plugins/%s/csi.sock" $.Values.kubeletDir $driver.driverName }}
{{- if gt (len $socket) 107 }}
{{- fail (printf "kubeletDir and %s.driverName make the socket %q of %d bytes: a socket's path has at most 107" $kind $socket (len $socket)) }}
{{- end }}
{{- end }}
{{- $snapshotter := .Values.sidecars.snapshotter }}
{{- if and $snapshotter.groupSnapshots (not $snapshotter.enabled) }}
{{- fail "sidecars.snapshotter.groupSnapshots needs sidecars.snapshotter.enabled" }}
{{- end }}
{{- if and .Values.volumeGroupSnapshotClasses (not $snapshotter.groupSnapshots) }}
{{- fail "volumeGroupSnapshotClasses need sidecars.snapshotter.groupSnapshots" }}
{{- end }}
{{- with .Values.sidecars.snapshotMetadata }}
{{- if and .enabled (not (and $.Values.rbd.enabled $snapshotter.enabled .tlsSecretName .caCert)) }}
{{- fail "sidecars.snapshotMetadata.enabled needs rbd.enabled, sidecars.snapshotter.enabled, sidecars.snapshotMetadata.tlsSecretName and sidecars.snapshotMetadata.caCert" }}
{{- end }}
{{- end }}
{{- range $list := list "storageClasses" "volumeSnapshotClasses" "volumeGroupSnapshotClasses" "volumeAttributesClasses" }}
{{- range $class := index $.Values $list }}
{{- if not (index $.Values $class.driver).enabled }}
{{- fail (printf "%s: %q is of the driver %s, which is not enabled" $list $class.name $class.driver) }}
{{- end }}
{{- end }}
{{- end }}
{{- $clusterIds := list }}
{{- range .Values.clusters }}{{ $clusterIds = append $clusterIds .clusterID }}{{ end }}
{{- range $list := list "storageClasses" "volumeSnapshotClasses" "volumeGroupSnapshotClasses" "driverCredentials" }}
{{- range $entry := index $.Values $list }}
{{- if and $clusterIds (not (has $entry.clusterID $clusterIds)) }}
{{- fail (printf "%s: clusterID %q is none of clusters (%s)" $list $entry.clusterID (join ", " $clusterIds)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
