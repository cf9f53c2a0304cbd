// One correlation from end to end: settings, reading, correlating, writing under a temporary name, publishing.
#include "xpcs/analysis.hpp"

#include <sys/stat.h>

#include <chrono>

#include "bad_frames.hpp"
#include "intake.hpp"
#include "partial_file.hpp"
#include "partial_g2.hpp"
#include "result_file.hpp"
#include "static_means.hpp"
#include "threaded_sink.hpp"
#include "two_time_settings.hpp"

namespace xpcs {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<NamedSource> open_modules(const std::vector<std::string>& paths) {
  std::vector<NamedSource> sources;
  for (const std::string& path : paths) sources.push_back({path, open_file(path)});
  return sources;
}

std::unique_ptr<FrameReader> open_reader(const Settings& settings) {
  switch (settings.format) {
    case Format::imm: return open_imm(open_file(settings.input), settings.reader);
    case Format::rigaku:
      if (!settings.modules.empty()) return open_rigaku_modules(open_modules(settings.modules), settings.reader);
      return open_rigaku(open_file(settings.input), settings.reader);
    case Format::ufxc: return open_ufxc(open_file(settings.input), settings.reader);
    case Format::hdf5: return open_hdf5(settings.input, settings.reader);
  }
  throw Error(Code::internal, "no reader for this format");
}

/// Runs one step; an error that does not name the file that it is about gets its name, and a damaged file the way out.
template <class Step>
auto about_file(const std::string& path, Step step) {
  try {
    return step();
  } catch (const Error& error) {
    std::string message = error.what();
    if (message.find(path) == std::string::npos && error.code() != Code::canceled) message = path + ": " + message;
    if (error.code() == Code::corrupt_data && message.find("copy") == std::string::npos) {
      message += "; copy the file again, or leave the damaged part out with --begin and --end";
    }
    throw Error(error.code(), message);
  }
}

/// The two-time analysis as one more sink of the pass.
std::unique_ptr<TwoTime> open_two_time(Settings& settings, const Partition& partition, const CorrelatorOptions& options) {
  TwoTimeOptions two;
  two.bins = settings.twoTime.bins;
  two.smoothing = settings.twoTime.smoothing;
  two.filter = settings.twoTime.filter;
  two.window = settings.twoTime.window;
  two.average = settings.average;
  two.pixelFactor = options.pixelFactor;
  two.normalizeByFrameSum = settings.normalizeByFrameSum;
  two.bytesMax = settings.twoTime.memoryBytes;
  return std::make_unique<TwoTime>(partition, std::move(two));
}

/// Where one pass goes. Exactly one of correlator and means is there.
struct Sinks {
  std::optional<Correlator> correlator;
  StaticMeans* means = nullptr;
  TwoTime* twoTime = nullptr;
  std::vector<std::unique_ptr<FrameSink>> list;

  /// Beside the reader's thread as far as there are threads.
  void add(std::unique_ptr<FrameSink> sink, bool ownThread) {
    list.push_back(ownThread ? std::make_unique<ThreadedSink>(std::move(sink)) : std::move(sink));
  }
};

void open_sinks(Settings& settings, const Partition& partition, const CorrelatorOptions& options, Sinks& sinks) {
  if (settings.type != AnalysisType::twotime) {
    sinks.correlator.emplace(partition, options);
    sinks.add(std::make_unique<CorrelatorSink>(*sinks.correlator), false);
  } else {
    auto means = std::make_unique<StaticMeans>(partition, options, !settings.end && settings.stride * settings.average > 1);
    sinks.means = means.get();
    sinks.add(std::move(means), settings.threads > 1);
  }
  if (settings.type == AnalysisType::multitau) return;
  auto twoTime = open_two_time(settings, partition, options);
  sinks.twoTime = twoTime.get();
  sinks.add(std::move(twoTime), settings.threads > 2);
}

/// Frames of the series as far as they are known before reading; 0: not known.
std::uint64_t frames_ahead(const Settings& settings, const FrameReader& reader) {
  std::uint64_t end = reader.openEnded() ? 0 : reader.frames();
  if (settings.end) end = end > 0 ? std::min(end, *settings.end) : *settings.end;
  if (end < settings.begin) return 0;
  return (end - settings.begin + 1) / (std::uint64_t{settings.stride} * settings.average);
}

void write_result(const Outcome& outcome, const std::string& path, TwoTime* twoTime, const Control& control, Summary& summary) {
  h5::File file = h5::File::create(path);
  if (outcome.settings.layout == Layout::nexus) {
    write_nexus(file, outcome);
  } else {
    write_exchange(file, outcome);
  }
  write_provenance(file, outcome);
  if (twoTime != nullptr) {
    const TwoTimeTimes times = write_two_time(file, outcome, *twoTime, control, summary.settings.warnings);
    summary.correlateS += times.correlateS;
    summary.twoTimeBins = twoTime->bins().size();
  }
  file.flush();
}

}  // namespace

Summary run_analysis(const Request& request, const Control& control) {
  const auto start = std::chrono::steady_clock::now();
  Summary summary;
  Settings settings = resolve_settings(request);
  CorrelatorOptions options;
  options.dpl = settings.dpl;
  options.average = settings.average;
  options.normalizeByFrameSum = settings.normalizeByFrameSum;
  options.threads = settings.threads;

  auto reader = about_file(settings.input, [&] { return open_reader(settings); });
  const bool darks = reader->dense() && settings.darkFrames > 0;
  if (!darks) options.pixelFactor = settings.flatfield;  // with darks the values are flat-fielded after the threshold
  Partition partition = about_file(request.qmap ? *request.qmap : *request.job, [&] {
    return make_partition(settings.reader.height, settings.reader.width, settings.dqmap, settings.sqmap, settings.splitBins);
  });
  options.staticWindow = settings.staticWindow;
  if (settings.type != AnalysisType::multitau) {
    const bool all = settings.twoTime.bins.empty();
    for (std::uint32_t q = 1; all && q <= partition.dynamicBins; ++q) settings.twoTime.bins.push_back(q);
    summary.twoTimeBytes = check_two_time_memory(settings, partition, frames_ahead(settings, *reader), reader->dense(), control);
  }
  if (settings.partials > 0) {
    const std::uint64_t ahead = frames_ahead(settings, *reader);
    if (ahead > 0) (void)partial_window_frames(ahead, settings.partials);  // before the work
  }
  Sinks sinks;
  open_sinks(settings, partition, options, sinks);
  Measured measured = about_file(settings.input, [&] { return read_series(*reader, settings, sinks.list, control); });
  reader.reset();
  summary.readS = seconds_since(start);

  const auto correlating = std::chrono::steady_clock::now();
  if (sinks.correlator) {
    sinks.correlator->set_static_window(settings.staticWindow);
    if (!measured.frameWeights.empty()) sinks.correlator->set_frame_weights(measured.frameWeights);
  }
  CorrelationResult result = sinks.correlator ? sinks.correlator->result({settings.threads, request.g2out}, control) : sinks.means->result(settings.staticWindow);
  if (sinks.correlator) average_static_bins(settings.averaging, result);
  if (!measured.bad.empty()) correct_for_bad_frames(measured.bad, settings.staticWindow, result);
  summary.correlateS = seconds_since(correlating);
  if (settings.partials > 0) {
    sinks.correlator.reset();  // its photons are not needed any more
    control.tell("partial g2: reads the frames again, for " + std::to_string(settings.partials) + " windows of " +
                 std::to_string(partial_window_frames(result.frames, settings.partials)) + " frames");
    measured.partials = about_file(settings.input, [&] { return correlate_partials(*open_reader(settings), settings, partition, options, measured, result.frames, control); });
    summary.correlateS = seconds_since(correlating);
  }
  if (sinks.twoTime != nullptr && summary.twoTimeBytes == 0) {
    summary.twoTimeBytes = check_two_time_memory(settings, partition, result.frames, false, control);
  }

  control.check();
  control.report(Stage::writing, 0);
  const auto writing = std::chrono::steady_clock::now();
  PartialFile partial(request.out);
  summary.settings = settings;
  const double correlatedS = summary.correlateS;
  write_result({request, settings, partition, result, measured}, partial.path(), sinks.twoTime, control, summary);
  control.check();
  struct stat facts {};
  if (::stat(partial.path().c_str(), &facts) == 0) summary.outBytes = static_cast<std::uint64_t>(facts.st_size);
  partial.publish(request.overwrite);
  summary.writeS = seconds_since(writing) - (summary.correlateS - correlatedS);
  control.report(Stage::writing, 1);

  summary.out = request.out;
  summary.framesRead = measured.framesRead;
  summary.frames = result.frames;
  summary.events = result.events;
  summary.pixels = partition.pixelOfRank.size();
  summary.dynamicBins = partition.dynamicBins;
  summary.staticBins = partition.staticBins;
  summary.delays = result.delays.size();
  summary.totalS = seconds_since(start);
  return summary;
}

}  // namespace xpcs
