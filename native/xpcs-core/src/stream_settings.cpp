#include "stream_settings.hpp"

#include <cmath>

#include "bad_frames.hpp"
#include "intake.hpp"
#include "monitor.hpp"
#include "stream_memory.hpp"
#include "two_time_settings.hpp"
#include "xpcs/delays.hpp"

namespace xpcs {
namespace {

/// The result lists the bad frames one by one.
std::uint64_t bad_frame_bytes(const Settings& settings, std::uint64_t framesMax) {
  constexpr std::uint64_t kEach = 32;
  return kEach * frames_of(frames_within(FrameList::parse(settings.badFrames).of_series({settings.begin - 1, settings.stride, settings.average}), 0, framesMax));
}

/// Of as many frames as it has values for: how many the series will have may not be known yet.
std::vector<double> stream_monitor(const Settings& settings, const FramePlan& plan, std::uint64_t framesMax) {
  if (settings.monitor.empty()) return {};
  const std::uint64_t frames = plan.series_frames(settings.monitor.size() - std::min<std::uint64_t>(settings.monitor.size(), plan.first));
  std::vector<double> monitor = monitor_of_series(settings.monitor, plan, FrameList::parse(settings.badFrames).of_series(plan), std::min(frames, framesMax));
  if (monitor.empty()) monitor.push_back(0);  // too short, which is said when the number of frames is known
  return monitor;
}

}  // namespace

void resolve_streaming(const Request& request, Settings& settings) {
  const auto refuse = [](const std::string& what) { throw Error(Code::unsupported, "--streaming does not take " + what + "; run without it"); };
  if (settings.layout == Layout::exchange) throw Error(Code::unsupported, "--streaming writes the NeXus layout: the exchange layout has rows for every frame; pass --layout nexus");
  if (settings.type != AnalysisType::multitau) refuse("a two-time analysis");
  if (request.leverage) refuse("--leverage");
  if (settings.partials > 0) refuse("partial g2 (--partials), which reads the frames twice");
  settings.streamBytesMax = request.memoryGb ? static_cast<std::uint64_t>(*request.memoryGb * 1e9) : memory_available() / 5 * 4;
}

StreamOptions plan_stream(const Request& request, Settings& settings, const Partition& partition, const CorrelatorOptions& how, const FrameReader& reader,
                          std::uint64_t frames, std::uint64_t bytesTaken, const Control& control, std::uint64_t& bytes) {
  StreamOptions options;
  options.dpl = how.dpl;
  options.average = how.average;
  options.threads = how.threads;
  options.pixelFactor = how.pixelFactor;
  options.normalizeByFrameSum = how.normalizeByFrameSum;
  options.real = reader.dense() && settings.darkFrames > 0;
  options.intensityRows = kStreamIntensityRows;
  if (frames > 0) {
    // One more: the last frame of the file may begin a block that --average does not fill.
    options.framesMax = std::min(frames + 1, options.framesMax);
    options.staticWindow = settings.staticWindow > 0 ? settings.staticWindow : static_cast<std::uint32_t>((frames + 9) / 10);
  } else {
    settings.staticWindow = 0;
  }
  options.monitor = stream_monitor(settings, plan_frames(settings, reader), options.framesMax);
  std::uint64_t beside = bad_frame_bytes(settings, options.framesMax) + 8 * settings.monitor.size();
  if (request.g2out) beside += 24 * partition.pixels() * multitau_delays(options.framesMax, options.dpl).size();
  const std::uint64_t left = settings.streamBytesMax - std::min(settings.streamBytesMax, bytesTaken);
  bytes = stream_bytes(partition, options) + beside;
  if (bytes > left) {
    options.photonBytes = kPhotonBytesLeast;
    bytes = stream_bytes(partition, options) + beside;
  }
  const std::string length = frames > 0 ? std::to_string(frames) : "any number of";
  const std::string needs = "streaming " + length + " frames on " + std::to_string(partition.pixelOfRank.size()) + " pixels: takes at most " + megabytes(bytes) +
                            " of memory beside the reader's buffers, however many photons there are";
  if (bytes > left) {
    throw Error(Code::out_of_memory, needs + ", the limit is " + megabytes(left) + "; " + (frames > 0 ? "choose" : "give the last frame (--end), choose") +
                                         " fewer delays per level (--dpl), mask pixels, or raise --memory-gb");
  }
  options.bytesMax = left;
  control.tell(needs);
  return options;
}

}  // namespace xpcs
