#include "monitor.hpp"

#include <charconv>
#include <cmath>
#include <fstream>

#include "h5/h5.hpp"

namespace xpcs {
namespace {

constexpr std::uintmax_t kTextBytesMax = std::uintmax_t{1} << 32;

void take_line(const std::string& line, std::size_t number, const std::string& path, std::vector<double>& values) {
  const char* at = line.data();
  const char* const end = at + std::min(line.find('#'), line.size());
  for (;;) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == ',')) ++at;
    if (at >= end) return;
    double value = 0;
    const auto [next, status] = std::from_chars(at, end, value);
    if (status != std::errc()) throw Error(Code::corrupt_data, path + " line " + std::to_string(number) + " is not a number: a monitor file has one number per frame");
    values.push_back(value);
    at = next;
  }
}

}  // namespace

std::vector<double> read_monitor(const std::string& name) {
  const std::size_t colon = name.rfind(":/");
  if (colon != std::string::npos) return h5::File::open(name.substr(0, colon)).doubles(name.substr(colon + 1));
  std::ifstream in(name, std::ios::binary | std::ios::ate);
  if (!in) throw Error(Code::not_found, "cannot open the monitor " + name);
  if (static_cast<std::uintmax_t>(in.tellg()) > kTextBytesMax) throw Error(Code::invalid_argument, "the monitor " + name + " is larger than 4 GiB");
  in.seekg(0);
  std::vector<double> values;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) take_line(line, number, name, values);
  if (values.empty()) throw Error(Code::corrupt_data, "the monitor " + name + " holds no number");
  return values;
}

void check_monitor(const std::vector<double>& monitor, const FramePlan& plan, const FrameRanges& bad, std::uint64_t frames) {
  const std::uint64_t needed = plan.first + frames * plan.block();
  if (monitor.size() < needed) {
    throw Error(Code::invalid_argument, "the monitor has " + std::to_string(monitor.size()) + " values, the range reaches to frame " + std::to_string(needed) +
                                            "; it needs one for every frame of the file, from the first");
  }
  for (std::uint64_t frame = plan.first; frame < needed; ++frame) {
    std::uint64_t seriesFrame = 0;
    if (!plan.map(frame, seriesFrame) || contains_frame(bad, seriesFrame) || (monitor[frame] > 0 && std::isfinite(monitor[frame]))) continue;
    throw Error(Code::invalid_argument, "the monitor is " + std::to_string(monitor[frame]) + " at frame " + std::to_string(frame + 1) +
                                            "; it must be above 0, or the frame one of --bad-frames");
  }
}

std::vector<double> monitor_of_series(const std::vector<double>& monitor, const FramePlan& plan, const FrameRanges& bad, std::uint64_t frames) {
  std::vector<double> out(frames, 0.0);
  for (std::uint64_t i = 0; i < frames; ++i) {
    for (std::uint64_t k = 0; k < plan.average && !contains_frame(bad, i); ++k) out[i] += monitor[plan.first + i * plan.block() + k * plan.stride];
  }
  return out;
}

}  // namespace xpcs
