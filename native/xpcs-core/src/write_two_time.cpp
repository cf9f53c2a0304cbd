// Runs the two-time correlation and writes it: C2 band by band while it is computed, then the curves. Names and shapes of
// both layouts: docs/results.md.
#include <chrono>

#include "c2_writer.hpp"
#include "result_file.hpp"

namespace xpcs {
namespace {

void write_exchange_curves(h5::File& file, const Outcome& outcome, const TwoTimeResult& result) {
  const std::string group = outcome.settings.resultGroup + "/";
  const hsize_t B = result.bins.size();
  file.write(group + "sg", {result.normalizers, result.normalizerFrames}, floats(result.sg));
  file.write(group + "g2full", {result.frames, B}, floats(result.g2full));
  file.write(group + "g2partials", {outcome.settings.twoTime.window, result.partials, B}, floats(result.g2partials));
}

void write_nexus_curves(h5::File& file, const Outcome& outcome, const TwoTimeResult& result) {
  const std::string group = "/xpcs/twotime/";
  const hsize_t B = result.bins.size();
  const hsize_t F = result.frames;
  const Settings& settings = outcome.settings;
  file.write(group + "processed_bins", {B}, std::vector<std::int64_t>(result.bins.begin(), result.bins.end()));
  file.write(group + "normalized_g2", {F, B}, floats(result.g2full));
  // A series of fewer than five frames is one segment: the viewer wants at least one lag.
  if (F >= 5) {
    file.write(group + "normalized_g2_segments", {F / 5, 5, B}, floats(result.g2segments));
  } else {
    file.write(group + "normalized_g2_segments", {F, 1, B}, floats(result.g2full));
  }
  file.write(group + "normalizer", {result.normalizers, result.normalizerFrames}, floats(result.sg));
  if (settings.twoTime.window > 1) file.write(group + "g2partials", {settings.twoTime.window, result.partials, B}, floats(result.g2partials));
  const auto integer = [&](const std::string& name, std::uint64_t value) {
    file.write(group + "config/" + name, {}, std::vector<std::int64_t>{static_cast<std::int64_t>(value)});
  };
  integer("stride_frame", settings.stride);
  integer("avg_frame", settings.average);
  integer("begin_frame", settings.begin);
  integer("end_frame", settings.begin + outcome.measured.framesRead - 1);
  integer("window", settings.twoTime.window);
  file.write_text(group + "config/analysis_type", "Twotime");
  file.write_text(group + "config/smooth", smoothing_name(settings.twoTime.smoothing));
  file.write_text(group + "config/smoothing_filter", settings.twoTime.filter == SmoothingFilter::average ? "average" : "none");
}

}  // namespace

double write_two_time(h5::File& file, const Outcome& outcome, TwoTime& twoTime, const Control& control, std::vector<std::string>& warnings) {
  const Settings& settings = outcome.settings;
  const bool nexus = settings.layout == Layout::nexus;
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::uint32_t> numbers = twoTime.bins();
  // The viewer takes the matrices by their place in processed_bins; XPCS-Eigen names them by the bin.
  for (std::size_t i = 0; nexus && i < numbers.size(); ++i) numbers[i] = static_cast<std::uint32_t>(i + 1);
  C2Writer writer(file, nexus ? "/xpcs/twotime/correlation_map/c2_" : settings.resultGroup + "/C2T_all/g2_", numbers, settings.twoTime.compression);
  TwoTimeRun how;
  how.threads = settings.threads;
  how.chunk = C2Writer::kChunk;
  how.frameMean = outcome.result.frameMean;
  how.begin = [&](const C2Band& band) { return writer.begin(band); };
  how.take = [&](const C2Band& band, std::size_t part) { writer.take(band, part); };
  how.control = control;
  const TwoTimeResult result = twoTime.run(how);
  warnings.insert(warnings.end(), result.warnings.begin(), result.warnings.end());
  const double total = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  nexus ? write_nexus_curves(file, outcome, result) : write_exchange_curves(file, outcome, result);
  return total;
}

}  // namespace xpcs
