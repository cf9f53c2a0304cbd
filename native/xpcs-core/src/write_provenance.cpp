// /provenance: enough to repeat the analysis and to know which conventions its numbers follow.
#include <sys/stat.h>
#include <unistd.h>

#include "result_file.hpp"
#include "time_text.hpp"
#include "xpcs/version.hpp"

namespace xpcs {
namespace {

std::string host_name() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string error_text(const Settings& settings) {
  if (settings.averaging == Averaging::robust) return "of the robust estimate, from its model with the measured scatter of the pixels, none below 20 photon pairs";
  switch (settings.errors) {
    case Errors::influence: return "from the spread of the pixels' influence on g2, none below 20 photon pairs";
    case Errors::xpcs_eigen: return "population spread of the pixels' G2/(IP IF), empty pixels as 0, over sqrt(pixels) (XPCS-Eigen)";
    case Errors::boost_corr: return "sample spread of the pixels' G2/(IP IF), empty pixels as 0, over sqrt(pixels) (boost_corr)";
  }
  return "?";
}

std::string conventions(const Settings& settings) {
  std::vector<std::string> parts;
  if (settings.type != AnalysisType::twotime) {
    parts.push_back("multi-tau: 2*dpl delays at level 0, dpl at each further level; frames averaged in blocks of 2^level from the first, odd last block dropped; "
                    "g2 = <G2>/(<IP><IF>) with symmetric normalisation, averages over each static partition first, then " +
                    std::string(averaging_text(settings.averaging)));
  }
  parts.emplace_back("sums of integer counts are exact");
  if (settings.type != AnalysisType::twotime) parts.push_back(std::string("standard error: ") + error_text(settings));
  if (settings.type != AnalysisType::multitau) {
    parts.push_back(std::string("two-time: C2(t1,t2) = mean over the pixels of the q bin of X(t1) X(t2), X = counts / normaliser; smoothing ") + smoothing_name(settings.twoTime.smoothing) +
                    (settings.twoTime.filter == SmoothingFilter::average ? ", averaged over time" : "") + " (docs/twotime.md)");
  }
  if (settings.splitBins == SplitBins::drop_minority) parts.emplace_back("XPCS-Eigen: minority pixels of a split static partition dropped");
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

const char* compat_name(Compat compat) {
  switch (compat) {
    case Compat::none: return "none";
    case Compat::xpcs_eigen: return "xpcs-eigen";
    case Compat::boost_corr: return "boost-corr";
  }
  return "?";
}

const char* type_name(AnalysisType type) {
  switch (type) {
    case AnalysisType::multitau: return "multitau";
    case AnalysisType::twotime: return "twotime";
    case AnalysisType::both: return "both";
  }
  return "?";
}

void write_two_time_settings(h5::File& file, const std::string& group, const TwoTimeSettings& set) {
  std::string bins;
  for (const std::uint32_t bin : set.bins) {
    if (!bins.empty()) bins += ',';
    bins += std::to_string(bin);
  }
  file.write_text(group + "q_bins", bins);
  file.write_text(group + "smoothing", smoothing_name(set.smoothing));
  file.write_text(group + "smoothing_filter", set.filter == SmoothingFilter::average ? "average" : "none");
  file.write(group + "window", {}, std::vector<std::int64_t>{set.window});
  file.write_text(group + "c2", set.c2 == C2Form::full ? "full" : set.c2 == C2Form::multitau ? "multitau" : "both");
  file.write_text(group + "compression", set.compression == Compression::gzip ? "gzip" : "none");
}

}  // namespace

void write_provenance(h5::File& file, const Outcome& outcome) {
  const auto& [request, settings, part, result, measured] = outcome;
  const std::string group = "/provenance/";
  const auto text = [&](const std::string& name, const std::string& value) { file.write_text(group + name, value); };
  const auto integer = [&](const std::string& name, std::uint64_t value) {
    file.write(group + name, {}, std::vector<std::int64_t>{static_cast<std::int64_t>(value)});
  };
  struct stat facts {};
  text("program", "xpcs-runtime");
  text("version", kVersion);
  text("kernel_path", kernel_path());
  text("host", host_name());
  text("written_at", now_text());
  text("conventions", conventions(settings));
  text("type", type_name(settings.type));
  text("layout", settings.layout == Layout::nexus ? "nexus" : "exchange");
  text("errors", errors_name(settings.errors));
  text("averaging", averaging_name(settings.averaging));
  text("compat", compat_name(request.compat));
  text("input_path", settings.input);
  if (::stat(settings.input.c_str(), &facts) == 0) integer("input_bytes", static_cast<std::uint64_t>(facts.st_size));
  text("input_modified", modified_time_text(settings.input));
  text("input_format", format_name(settings.format));
  text("pixel_order", settings.reader.pixelOrder == PixelOrder::row_major ? "row-major" : "column-major");
  text("imm_counts", settings.reader.unsignedCounts ? "unsigned" : "signed");
  integer("first_frame", settings.reader.firstFrame);
  integer("begin", settings.begin);
  integer("end", settings.begin + measured.framesRead - 1);
  integer("frames_in_range", measured.framesRead);
  integer("stride", settings.stride);
  integer("average", settings.average);
  integer("delays_per_level", settings.dpl);
  integer("partials", settings.partials);
  integer("static_window", settings.staticWindow);
  integer("dark_frames", measured.darkAverage.empty() ? 0 : settings.darkFrames);
  integer("flatfield", settings.flatfield.empty() ? 0 : 1);
  integer("normalize_by_framesum", settings.normalizeByFrameSum ? 1 : 0);
  text("bad_frames", settings.badFrames);
  if (!measured.firstFrames.empty()) integer("frames_out", request.firstFrames);
  text("monitor", request.monitor.value_or(""));
  integer("streaming", settings.streaming ? 1 : 0);
  integer("threads", settings.threads);
  if (settings.type != AnalysisType::multitau) write_two_time_settings(file, group, settings.twoTime);
  integer("events", result.events);
  integer("marked_readings", measured.markedReadings);
  for (std::size_t i = 0; i < settings.modules.size(); ++i) text("input_path_" + std::to_string(i), settings.modules[i]);
  if (request.qmap) text("qmap_path", *request.qmap);
  if (request.job) text("job_path", *request.job);
  if (request.metadata) text("metadata_path", *request.metadata);
  if (!settings.warnings.empty()) file.write_texts(group + "warnings", settings.warnings);
  for (const auto& [name, value] : request.provenance) text(name, value);
}

void write_correlation(h5::File& file, const Outcome& outcome) {
  if (outcome.settings.layout == Layout::nexus) {
    write_nexus(file, outcome);
  } else {
    write_exchange(file, outcome);
  }
  write_provenance(file, outcome);
}

std::size_t values_without_error(const Settings& settings, const Partition& partition, const CorrelationResult& result) {
  const std::vector<double>& pairs = result.moments.pairs;
  if (pairs.empty()) return 0;
  const std::vector<double> errors = standard_errors(settings, partition, result);
  std::size_t without = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) without += pairs[i] < kPairsForError && !(errors[i] > 0) ? 1 : 0;
  return without;
}

}  // namespace xpcs
