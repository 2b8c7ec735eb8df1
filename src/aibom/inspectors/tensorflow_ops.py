"""Judge TensorFlow operations by what they can do when a graph runs."""

from __future__ import annotations

from typing import NamedTuple

from aibom.findings import Severity


class OperationJudgement(NamedTuple):
    """How bad an operation is in a graph that a stranger wrote, and why."""

    severity: Severity
    why: str


_PYTHON = "calls a Python function of the process that runs the graph"
_READS = "reads files of the machine that runs the graph"
_WRITES = "writes files of the machine that runs the graph"
_LISTS = "lists files of the machine that runs the graph"
_NETWORK = "connects to other machines"
_NATIVE = "runs a TensorRT engine, which is native code"
# Operation names as registered in tensorflow/core/ops/*.cc and tensorflow/compiler/tf2tensorrt/ops.
_BY_REASON = (
    (Severity.HIGH, _PYTHON, "PyFunc PyFuncStateless EagerPyFunc"),
    (
        Severity.HIGH,
        _WRITES,
        (
            "WriteFile SaveSlices WriteImageSummary WriteSummary WriteScalarSummary WriteAudioSummary "
            "WriteGraphSummary WriteHistogramSummary WriteRawProtoSummary CreateSummaryFileWriter "
            "CreateSummaryDbWriter ImportEvent SaveDataset SaveDatasetV2 DatasetToTFRecord "
            "ExperimentalDatasetToTFRecord SnapshotDataset SnapshotDatasetV2 DistributedSave"
        ),
    ),
    (
        Severity.HIGH,
        _READS,
        (
            "ReadFile WholeFileReader WholeFileReaderV2 TextLineReader TextLineReaderV2 TFRecordReader "
            "TFRecordReaderV2 FixedLengthRecordReader FixedLengthRecordReaderV2 LMDBReader LoadDataset "
            "TextLineDataset TFRecordDataset TFRecordDatasetV2 FixedLengthRecordDataset "
            "FixedLengthRecordDatasetV2 CSVDataset CSVDatasetV2 SqlDataset LMDBDataset "
            "ExperimentalCSVDataset ExperimentalLMDBDataset ExperimentalSqlDataset RestoreSlice "
            "ImmutableConst LoadAndRemapMatrix GenerateVocabRemapping"
        ),
    ),
    (Severity.HIGH, _LISTS, "MatchingFiles MatchingFilesDataset ExperimentalMatchingFilesDataset"),
    (
        Severity.HIGH,
        "sends tensors to a file or another machine that the graph names",
        "DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary DebugNumericSummaryV2",
    ),
    (
        Severity.HIGH,
        _NETWORK,
        (
            "RpcCall RpcClient RpcServer RpcServerStart RpcServerRegister Rpc TryRpc BigQueryReader "
            "BigtableClient DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 "
            "DataServiceDatasetV4 RegisterDataset RegisterDatasetV2"
        ),
    ),
    (Severity.MEDIUM, "runs code that is looked up on another device", "RemoteCall"),
    (Severity.MEDIUM, _NATIVE, "TRTEngineOp CreateTRTResourceHandle InitializeTRTResource"),
)
_OPERATIONS = {name: OperationJudgement(severity, why) for severity, why, names in _BY_REASON for name in names.split()}
# Every SavedModel holds these; they act on the checkpoint prefix that the loader feeds.
CHECKPOINT_OPERATIONS = frozenset({
    "SaveV2", "RestoreV2", "Save", "Restore", "MergeV2Checkpoints", "ShardedFilename", "ShardedFilespec",
})  # fmt: skip


def judge_operation(name: str) -> OperationJudgement | None:
    """Judge an operation by its name; None for one that only computes."""
    return _OPERATIONS.get(name)
