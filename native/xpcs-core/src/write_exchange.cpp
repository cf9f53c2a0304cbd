// The exchange layout: every dataset of XPCS-Eigen with its name, shape and unit, also those with zero rows
// (docs/results.md). A job file's own groups are copied beside it, as in files that XPCS-Eigen wrote into.
#include <cmath>
#include <numeric>

#include "moments_file.hpp"
#include "result_file.hpp"

namespace xpcs {

std::vector<float> floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

std::vector<std::int64_t> partial_frames(const PartialG2& partials, std::uint64_t windows) {
  std::vector<std::int64_t> rows;
  for (std::uint64_t k = 0; k < windows; ++k) {
    rows.push_back(static_cast<std::int64_t>(k * partials.windowFrames + 1));
    rows.push_back(static_cast<std::int64_t>((k + 1) * partials.windowFrames));
  }
  return rows;
}

void average_static_bins(Averaging averaging, CorrelationResult& result) {
  if (averaging == Averaging::plain) return;
  MomentCurves curves = curves_of(result.moments, Pooling::per_repeat, averaging);
  result.g2 = std::move(curves.g2);
  result.g2Err = std::move(curves.g2Err);
}

std::vector<double> standard_errors(const Settings& settings, const Partition& part, const CorrelationResult& result) {
  if (settings.errors == Errors::influence) return result.g2Err;
  std::vector<double> errors = result.g2SpreadErr;
  if (settings.errors == Errors::xpcs_eigen) return errors;
  // boost_corr: the same spread with one degree of freedom less.
  for (std::size_t at = 0; at < errors.size(); ++at) {
    const double n = part.pixelsOfDynamic[at % part.dynamicBins];
    errors[at] *= std::sqrt(n / (n - 1));
  }
  return errors;
}

namespace {

/// Row 0 counts from 1, row 1 holds the values.
template <class Value>
std::vector<Value> numbered(const std::vector<double>& values) {
  std::vector<Value> rows(2 * values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    rows[i] = static_cast<Value>(i + 1);
    rows[values.size() + i] = static_cast<Value>(values[i]);
  }
  return rows;
}

void write_multitau(h5::File& file, const Outcome& outcome) {
  const CorrelationResult& result = outcome.result;
  const std::string group = outcome.settings.resultGroup + "/";
  const hsize_t D = result.delays.size();
  const hsize_t Q = outcome.partition.dynamicBins;
  std::vector<float> tau;
  for (const Delay& delay : result.delays) tau.push_back(static_cast<float>(delay.frames));
  file.write(group + "tau", {1, D}, tau);
  file.write(group + "norm-0-g2", {D, Q}, floats(result.g2));
  file.write(group + "norm-0-stderr", {D, Q}, floats(standard_errors(outcome.settings, outcome.partition, result)));
  write_moments(file, group + "moments", result.moments);
  const PartialG2& partials = outcome.measured.partials;
  if (partials.windowFrames > 0) {
    const hsize_t P = outcome.settings.partials;
    file.write(group + "norm-0-g2-partials", {P, D, Q}, floats(partials.g2));
    file.write(group + "norm-0-stderr-partials", {P, D, Q}, floats(partials.error));
    file.write(group + "g2-partials-frames", {P, 2}, partial_frames(partials, P));
  }
  if (!outcome.request.g2out) return;
  const hsize_t n = outcome.partition.pixels();
  file.write(group + "G2", {D, n}, result.perPixelG2);
  file.write(group + "IP", {D, n}, result.perPixelIP);
  file.write(group + "IF", {D, n}, result.perPixelIF);
}

}  // namespace

void write_exchange(h5::File& file, const Outcome& outcome) {
  const auto& [request, settings, part, result, measured] = outcome;
  if (request.job) {
    const h5::File job = h5::File::open(*request.job);
    for (const std::string& group : {request.entry.value_or("/xpcs"), std::string("/measurement"), std::string("/hdf_metadata_version")}) {
      if (job.has(group)) file.copy_from(job, group, group);
    }
  }
  const std::string group = settings.resultGroup + "/";
  const hsize_t S = part.staticBins;
  const hsize_t F = result.frames;
  const std::vector<hsize_t> image{part.height, part.width};
  const auto write = [&](const std::string& name, const std::vector<hsize_t>& shape, const std::vector<double>& values) {
    file.write(group + name, shape, floats(values));
  };
  write("pixelSum", image, result.pixelMean);
  file.write(group + "frameSum", {2, F}, numbered<float>(result.frameMean));
  write("partition-mean-total", {1, S}, result.partitionMeanTotal);
  write("partition-mean-partial", {result.partitionMeanPartial.size() / S, S}, result.partitionMeanPartial);
  file.write(group + "partition_norm_factor", {1, 1}, std::vector<float>{settings.normFactor});
  file.write(group + "timestamp_clock", {2, measured.framesRead}, numbered<double>(measured.clockS));
  file.write(group + "timestamp_tick", {2, measured.framesRead}, numbered<double>(measured.tick));
  if (settings.type != AnalysisType::twotime) write_multitau(file, outcome);
  if (!measured.firstFrames.empty()) file.write(group + "frames_out", {request.firstFrames, part.height, part.width}, measured.firstFrames);
  if (!measured.darkAverage.empty()) {
    file.write(group + "DarkAvg", image, measured.darkAverage);
    file.write(group + "DarkStd", image, measured.darkStd);
  }
}

}  // namespace xpcs
