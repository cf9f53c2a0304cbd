#include "two_time_scales.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace xpcs::twotime {
namespace {

/// Below this mean a bin is empty in some frames (Poisson: 2e-9 of them at 20), and frames cannot be divided by their own mean.
constexpr double kPhotonsLow = 20;
/// A window in place of the frame holds this many photons: C2 next to the diagonal is low by at most 1 / 1000.
constexpr double kPhotonsOfWindow = 1000;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// Frames of the window of the unsmoothed convention, odd.
std::uint64_t window_frames(double photonsPerFrame, std::uint64_t frames) {
  if (photonsPerFrame >= kPhotonsLow) return 1;
  if (!(photonsPerFrame > 0)) return 2 * frames + 1;
  const double wanted = kPhotonsOfWindow / photonsPerFrame;
  if (!(wanted < static_cast<double>(frames))) return 2 * frames + 1;
  return static_cast<std::uint64_t>(wanted) | 1;
}

/// Mean over the frames within half a window on both sides, as far as the series reaches.
std::vector<double> windowed_means(const double* values, std::uint64_t frames, std::uint64_t window) {
  const std::uint64_t half = window / 2;
  std::vector<double> means(frames);
  if (half >= frames) {
    double sum = 0;
    for (std::uint64_t t = 0; t < frames; ++t) sum += values[t];
    std::fill(means.begin(), means.end(), sum / static_cast<double>(frames));
    return means;
  }
  std::vector<double> before(frames + 1, 0.0);
  for (std::uint64_t t = 0; t < frames; ++t) before[t + 1] = before[t] + values[t];
  for (std::uint64_t t = 0; t < frames; ++t) {
    const std::uint64_t first = t > half ? t - half : 0;
    const std::uint64_t end = std::min(frames, t + half + 1);
    means[t] = (before[end] - before[first]) / static_cast<double>(end - first);
  }
  return means;
}

double inverse(double value) { return value > 0 || value < 0 ? 1.0 / value : 0.0; }

class Maker {
 public:
  Maker(const TwoTimeOptions& options, const std::vector<Group>& groups, const std::vector<Bin>& bins, const std::vector<double>& sums,
        std::uint64_t frames, const std::vector<double>& weights)
      : options_(options), groups_(groups), bins_(bins), sums_(sums), frames_(frames), weights_(weights) {}

  Scales make() {
    const bool averaged = options_.filter == SmoothingFilter::average;
    scales_.sgFrames = averaged ? 1 : frames_;
    scales_.inner.assign(groups_.size() * frames_, 0.0);
    scales_.outer.assign(bins_.size() * frames_, 0.0);
    for (std::size_t g = 0; g < groups_.size(); ++g) one_group(g, averaged);
    const bool boost = options_.smoothing == Smoothing::sqmap || options_.smoothing == Smoothing::dqmap;
    for (std::size_t b = 0; b < bins_.size(); ++b) {
      if (boost) {
        second_normalisation(b);
      } else {
        std::fill_n(scales_.outer.begin() + static_cast<std::ptrdiff_t>(b * frames_), frames_, 1.0 / std::sqrt(static_cast<double>(bins_[b].pixels())));
      }
    }
    if (!averaged) warn_low();
    return std::move(scales_);
  }

 private:
  [[nodiscard]] double weight(std::uint64_t t) const { return (weights_.empty() ? 1.0 : weights_[t]) / options_.average; }
  [[nodiscard]] double mean_photons(std::size_t g) const {
    double sum = 0;
    for (std::uint64_t t = 0; t < frames_; ++t) sum += sums_[g * frames_ + t];
    return sum / static_cast<double>(frames_);
  }

  /// The normaliser of a group, and the factor of its pixels: weight / normaliser.
  void one_group(std::size_t g, bool averaged) {
    std::vector<double> means(frames_);
    const double pixels = groups_[g].end - groups_[g].first;
    for (std::uint64_t t = 0; t < frames_; ++t) means[t] = sums_[g * frames_ + t] * weight(t) / pixels;
    if (averaged) {
      double sum = 0;
      for (const double mean : means) sum += mean;
      std::fill(means.begin(), means.end(), sum / static_cast<double>(frames_));
    } else if (options_.smoothing == Smoothing::none) {
      const std::uint64_t window = window_frames(mean_photons(g), frames_);
      if (window > 1) means = windowed_means(means.data(), frames_, window);
      windowed_ += window > 1 ? 1 : 0;
    }
    scales_.sg.insert(scales_.sg.end(), means.begin(), averaged ? means.begin() + 1 : means.end());
    const bool boost = options_.smoothing == Smoothing::sqmap || options_.smoothing == Smoothing::dqmap;
    for (std::uint64_t t = 0; t < frames_; ++t) {
      const double by = boost ? 1.0 / (means[t] > 0 ? means[t] : 1.0) : inverse(means[t]);
      scales_.inner[g * frames_ + t] = weight(t) * by;
    }
  }

  /// boost_corr: n_pix / (s s^T), s = sum of the smoothed frame, 1 where it is not positive.
  void second_normalisation(std::size_t b) {
    const double root = std::sqrt(static_cast<double>(bins_[b].pixels()));
    for (std::uint64_t t = 0; t < frames_; ++t) {
      double s = 0;
      for (std::uint32_t g = bins_[b].firstGroup; g < bins_[b].endGroup; ++g) s += sums_[g * frames_ + t] * scales_.inner[g * frames_ + t];
      scales_.outer[b * frames_ + t] = root / (s > 0 ? s : 1.0);
    }
  }

  void warn_low() {
    std::size_t low = 0;
    std::size_t least = 0;
    double leastMean = kPhotonsLow;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const double mean = mean_photons(g);
      if (mean >= kPhotonsLow) continue;
      ++low;
      if (mean < leastMean) {
        leastMean = mean;
        least = g;
      }
    }
    if (low == 0) return;
    const Group& group = groups_[least];
    const std::string name = "q bin " + std::to_string(bins_[group.bin].label) + (group.staticBin > 0 ? ", static bin " + std::to_string(group.staticBin) : "");
    std::string text = "two-time: " + std::to_string(low) + " of " + std::to_string(groups_.size()) + " normalising bins have fewer than 20 photons per frame on average, the least " +
                       number(leastMean) + " (" + name + "); ";
    text += windowed_ > 0 ? "each frame of theirs is normalised by the mean of a window of frames around it that holds 1000 photons"
                          : "frames without photons there lower C2 (smoothing none does not)";
    if (leastMean > 0) {
      const double average = std::ceil(kPhotonsLow / leastMean) * options_.average;
      text += "; --average " + std::to_string(static_cast<std::uint64_t>(average)) + " gives 20";
    }
    scales_.warnings.push_back(text);
  }

  const TwoTimeOptions& options_;
  const std::vector<Group>& groups_;
  const std::vector<Bin>& bins_;
  const std::vector<double>& sums_;
  std::uint64_t frames_;
  const std::vector<double>& weights_;
  std::size_t windowed_ = 0;
  Scales scales_;
};

}  // namespace

Scales make_scales(const TwoTimeOptions& options, const std::vector<Group>& groups, const std::vector<Bin>& bins, const std::vector<double>& sums,
                   std::uint64_t frames, const std::vector<double>& weights) {
  return Maker(options, groups, bins, sums, frames, weights).make();
}

}  // namespace xpcs::twotime
