// One correlation from end to end: settings, reading, correlating, writing under a temporary name, publishing.
#include "xpcs/analysis.hpp"

#include <sys/stat.h>

#include <chrono>
#include <limits>

#include "bad_frames.hpp"
#include "concurrent_sinks.hpp"
#include "first_frames.hpp"
#include "intake.hpp"
#include "leverage.hpp"
#include "partial_file.hpp"
#include "partial_g2.hpp"
#include "result_file.hpp"
#include "static_means.hpp"
#include "stream_settings.hpp"
#include "stream_sink.hpp"
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
    case Format::stream: throw Error(Code::invalid_argument, settings.input + " is a stream, which is not read as a file");
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
  two.matrix = settings.twoTime.matrix();
  two.multitauDpl = settings.twoTime.blocks() ? settings.dpl : 0;
  two.bytesMax = settings.twoTime.memoryBytes;
  return std::make_unique<TwoTime>(partition, std::move(two));
}

/// Where one pass goes for one q-map. Exactly one of correlator, stream and means is there.
struct Sinks {
  std::optional<Correlator> correlator;
  std::optional<StreamCorrelator> stream;
  StaticMeans* means = nullptr;
  TwoTime* twoTime = nullptr;
  FirstFrames* firstFrames = nullptr;
  std::vector<std::unique_ptr<FrameSink>> list;
};

void open_sinks(Settings& settings, const std::shared_ptr<const Partition>& shared, const CorrelatorOptions& options, Sinks& sinks) {
  const Partition& partition = *shared;
  if (settings.type != AnalysisType::twotime) {
    sinks.correlator.emplace(shared, options);
    sinks.list.push_back(std::make_unique<CorrelatorSink>(*sinks.correlator));
  } else {
    auto means = std::make_unique<StaticMeans>(partition, options, (!settings.end || settings.endAtMost) && settings.stride * settings.average > 1);
    sinks.means = means.get();
    sinks.list.push_back(std::move(means));
  }
  if (settings.type == AnalysisType::multitau) return;
  auto twoTime = open_two_time(settings, partition, options);
  sinks.twoTime = twoTime.get();
  sinks.list.push_back(std::move(twoTime));
  auto together = std::make_unique<ConcurrentSinks>(std::move(sinks.list), settings.threads);
  sinks.list.clear();
  sinks.list.push_back(std::move(together));
}

/// Frames of the series as far as they are known before reading; 0: not known.
std::uint64_t frames_ahead(const Settings& settings, const FrameReader& reader) {
  std::uint64_t end = reader.openEnded() ? 0 : reader.frames();
  if (settings.end && end > 0) end = std::min(end, *settings.end);
  if (settings.end && end == 0 && !settings.endAtMost) end = *settings.end;
  if (end < settings.begin) return 0;
  return (end - settings.begin + 1) / (std::uint64_t{settings.stride} * settings.average);
}

void write_result(const Outcome& outcome, const std::string& path, TwoTime* twoTime, const Control& control, std::vector<std::string>& warnings, Summary& summary) {
  h5::File file = h5::File::create(path);
  write_correlation(file, outcome);
  if (twoTime != nullptr) {
    summary.correlateS += write_two_time(file, outcome, *twoTime, control, warnings);
    summary.twoTimeBins = twoTime->bins().size();
  }
  file.flush();
}

/// One q-map of a pass: what it asks, what takes its frames, its result under a temporary name.
class MapRun {
 public:
  /// @param bytesTaken by the two-time analyses or streams of the maps before
  MapRun(const Request& request, Settings& settings, FrameReader& reader, std::uint64_t bytesTaken, const Control& control)
      : request_(request), settings_(settings), shared_(about_file(request.qmap ? *request.qmap : *request.job, [&] {
          return std::make_shared<const Partition>(make_partition(settings.reader.height, settings.reader.width, settings.dqmap, settings.sqmap, settings.splitBins));
        })) {
    options_.dpl = settings.dpl;
    options_.average = settings.average;
    options_.normalizeByFrameSum = settings.normalizeByFrameSum;
    options_.threads = settings.threads;
    options_.staticWindow = settings.staticWindow;
    const bool darks = reader.dense() && settings.darkFrames > 0;
    if (!darks) options_.pixelFactor = settings.flatfield;  // with darks the values are flat-fielded after the threshold
    if (settings.type != AnalysisType::multitau) {
      const bool all = settings.twoTime.bins.empty();
      for (std::uint32_t q = 1; all && q <= partition_.dynamicBins; ++q) settings.twoTime.bins.push_back(q);
      settings.twoTime.memoryBytes -= std::min(bytesTaken, settings.twoTime.memoryBytes);
      ahead_.frames = frames_ahead(settings, reader);
      ahead_.firstFrames = request.firstFrames;
      ahead_.whole = reader.dense() || reader.crowded();
      ahead_.photons = sample_photons(settings, partition_, *open_reader(settings), ahead_.frames * settings.stride * settings.average);
      summary_.twoTimeBytes = check_two_time_memory(settings, partition_, ahead_, control);
    }
    if (settings.partials > 0) {
      const std::uint64_t ahead = frames_ahead(settings, reader);
      if (ahead > 0) (void)partial_window_frames(ahead, settings.partials);  // before the work
    }
    if (settings.streaming) {
      const StreamOptions plan = plan_stream(request, settings, partition_, options_, reader, frames_ahead(settings, reader), bytesTaken, control, summary_.streamBytes);
      sinks_.stream.emplace(partition_, plan);
      sinks_.list.push_back(std::make_unique<StreamSink>(*sinks_.stream));
      staticWindow_ = plan.staticWindow;
    } else {
      open_sinks(settings, shared_, options_, sinks_);
    }
    if (request.firstFrames == 0) return;
    auto firstFrames = std::make_unique<FirstFrames>(partition_, options_, request.firstFrames, frames_ahead(settings, reader));
    sinks_.firstFrames = firstFrames.get();
    sinks_.list.push_back(std::move(firstFrames));
  }

  [[nodiscard]] std::uint64_t bytes_taken() const noexcept { return summary_.twoTimeBytes + summary_.streamBytes; }
  void list_sinks(std::vector<FrameSink*>& list) const {
    for (const auto& sink : sinks_.list) list.push_back(sink.get());
  }

  /// Correlates and writes; the memory is free afterwards.
  void finish(Measured measured, double readS, const Control& control) {
    const auto correlating = std::chrono::steady_clock::now();
    summary_.readS = readS;
    if (sinks_.correlator) {
      sinks_.correlator->set_static_window(settings_.staticWindow);
      if (!measured.monitor.empty()) sinks_.correlator->set_monitor(measured.monitor);
    }
    CorrelationResult result = correlate(control);
    if (sinks_.firstFrames != nullptr) take_first_frames(measured, result.frames);
    if (!measured.bad.empty()) correct_for_bad_frames(measured.bad, settings_.staticWindow, result);
    if (request_.leverage) {
      measured.leverage = find_leverage(partition_, result, settings_.average, settings_.averaging, settings_.threads, control);
      tell_leverage(*measured.leverage, settings_.warnings);
    }
    summary_.correlateS = seconds_since(correlating);
    if (settings_.partials > 0) {
      sinks_.correlator.reset();  // its photons are not needed any more
      control.tell("partial g2: reads the frames again, for " + std::to_string(settings_.partials) + " windows of " +
                   std::to_string(partial_window_frames(result.frames, settings_.partials)) + " frames");
      measured.partials = about_file(settings_.input, [&] { return correlate_partials(*open_reader(settings_), settings_, partition_, options_, measured, result.frames, control); });
      summary_.correlateS = seconds_since(correlating);
    }
    if (sinks_.twoTime != nullptr && summary_.twoTimeBytes == 0) {
      ahead_.frames = result.frames;
      summary_.twoTimeBytes = check_two_time_memory(settings_, partition_, ahead_, control);
    }
    control.check();
    control.report(Stage::writing, 0);
    const auto writing = std::chrono::steady_clock::now();
    partial_.emplace(request_.out);
    const double correlatedS = summary_.correlateS;
    write_result({request_, settings_, partition_, result, measured}, partial_->path(), sinks_.twoTime, control, settings_.warnings, summary_);
    summary_.settings = std::move(settings_);
    control.check();
    struct stat facts {};
    if (::stat(partial_->path().c_str(), &facts) == 0) summary_.outBytes = static_cast<std::uint64_t>(facts.st_size);
    summary_.framesRead = measured.framesRead;
    summary_.frames = result.frames;
    summary_.events = result.events;
    summary_.delays = result.delays.size();
    summary_.valuesWithoutError = values_without_error(settings_, partition_, result);
    sinks_.list.clear();
    sinks_.correlator.reset();
    sinks_.stream.reset();
    summary_.writeS = seconds_since(writing) - (summary_.correlateS - correlatedS);
  }

  Summary publish(std::chrono::steady_clock::time_point start) {
    const auto publishing = std::chrono::steady_clock::now();
    partial_->publish(request_.overwrite);
    partial_.reset();
    summary_.writeS += seconds_since(publishing);
    summary_.out = request_.out;
    summary_.pixels = partition_.pixelOfRank.size();
    summary_.dynamicBins = partition_.dynamicBins;
    summary_.staticBins = partition_.staticBins;
    summary_.totalS = seconds_since(start);
    return summary_;
  }

 private:
  void take_first_frames(Measured& measured, std::uint64_t frames) {
    measured.firstFrames = sinks_.firstFrames->take();
    if (measured.firstFrames.empty()) {
      settings_.warnings.push_back("no frames are written: " + std::to_string(request_.firstFrames) + " were asked for, and the series must have more; it has " + std::to_string(frames));
    }
  }

  CorrelationResult correlate(const Control& control) {
    if (sinks_.means != nullptr) return sinks_.means->result(settings_.staticWindow);
    const ResultOptions how{settings_.threads, request_.g2out || request_.leverage, settings_.averaging};
    CorrelationResult result = sinks_.stream ? sinks_.stream->result(how, control) : sinks_.correlator->result(how, control);
    // A stream of unknown length has one row of means over time: the whole series.
    if (sinks_.stream) settings_.staticWindow = staticWindow_ > 0 ? staticWindow_ : static_cast<std::uint32_t>(result.frames);
    average_static_bins(settings_.averaging, result);
    return result;
  }

  const Request& request_;
  Settings& settings_;
  std::shared_ptr<const Partition> shared_;
  const Partition& partition_ = *shared_;
  CorrelatorOptions options_;
  TwoTimeAhead ahead_;  // of a two-time analysis
  Sinks sinks_;
  std::uint32_t staticWindow_ = 0;  // of the stream
  std::optional<PartialFile> partial_;
  Summary summary_;
};

}  // namespace

std::uint64_t count_frames(const Request& request, const Control& control) {
  const Settings settings = resolve_settings(request);
  return about_file(settings.input, [&] {
    const auto reader = open_reader(settings);
    constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();
    reader->want(kNone, kNone);
    FrameBatch batch;
    while (reader->next(batch)) {
      control.check();
      control.report(Stage::reading, reader->position());
    }
    return reader->frames();
  });
}

Summary run_analysis(const Request& request, const Control& control) { return std::move(run_analyses(request, {}, control).front()); }

std::vector<Summary> run_analyses(const Request& request, std::span<const FurtherMap> further, const Control& control) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Request> requests = requests_of(request, further);
  std::vector<Settings> settings = resolve_settings(std::span<const Request>(requests));
  const std::string input = settings.front().input;
  auto reader = about_file(input, [&] { return open_reader(settings.front()); });
  std::vector<std::unique_ptr<MapRun>> maps;
  std::vector<FrameSink*> sinks;
  std::uint64_t bytesTaken = 0;
  for (std::size_t k = 0; k < requests.size(); ++k) {
    maps.push_back(std::make_unique<MapRun>(requests[k], settings[k], *reader, bytesTaken, control));
    bytesTaken += maps.back()->bytes_taken();
    maps.back()->list_sinks(sinks);
  }
  std::vector<Measured> measured = about_file(input, [&] { return read_series(*reader, settings, sinks, control); });
  reader.reset();
  const double readS = seconds_since(start);
  const auto share = [&](std::size_t k) { return static_cast<double>(k) / static_cast<double>(maps.size()); };
  for (std::size_t k = 0; k < maps.size(); ++k) maps[k]->finish(std::move(measured[k]), readS, control.within(share(k), share(k + 1)));
  std::vector<Summary> summaries;
  for (const auto& map : maps) summaries.push_back(map->publish(start));
  control.report(Stage::writing, 1);
  return summaries;
}

}  // namespace xpcs
