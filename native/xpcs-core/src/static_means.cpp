#include "static_means.hpp"

#include <algorithm>

namespace xpcs {
namespace {

/// Sums by static bin. Neighbouring pixels mostly share their bin: four sums each, so that an addition need not wait for the last one.
class BinSums {
 public:
  static constexpr std::size_t kLanes = 4;
  explicit BinSums(std::size_t bins) : bins_(bins), sums_(kLanes * bins, 0) {}

  void add(std::size_t lane, std::uint32_t bin, std::int64_t value) { sums_[lane * bins_ + bin] += value; }
  [[nodiscard]] std::int64_t sum(std::size_t bin) const {
    std::int64_t sum = 0;
    for (std::size_t lane = 0; lane < kLanes; ++lane) sum += sums_[lane * bins_ + bin];
    return sum;
  }

 private:
  std::size_t bins_;
  std::vector<std::int64_t> sums_;
};

struct RowFacts {
  std::uint32_t total = 0, lit = 0;
};

/// Adds n counts of one frame, n <= 4096, to the sums of their pixels.
template <bool isSigned>
RowFacts add_row(const std::uint16_t* row, const std::uint16_t* valid, std::uint32_t n, std::uint32_t* sum) {
  RowFacts facts;
  std::uint16_t lit = 0;
  for (std::uint32_t p = 0; p < n; ++p) {
    auto value = static_cast<std::uint16_t>(row[p] & valid[p]);
    if (isSigned) value = static_cast<std::uint16_t>(value & ~(static_cast<std::int16_t>(value) >> 15));
    sum[p] += value;
    facts.total += value;
    lit = static_cast<std::uint16_t>(lit + (value != 0 ? 1 : 0));
  }
  facts.lit = lit;
  return facts;
}

constexpr std::size_t kRowTile = 4096;
/// Photons of a frame that outweigh the sums over its bins.
constexpr std::size_t kManyPhotons = 2048;

}  // namespace

StaticMeans::StaticMeans(const Partition& partition, CorrelatorOptions options, bool lastMayBeCut)
    : partition_(partition), options_(std::move(options)), staticOfPixel_(partition.pixels(), partition.staticBins), lastMayBeCut_(lastMayBeCut) {
  for (std::size_t rank = 0; rank < partition.pixelOfRank.size(); ++rank) staticOfPixel_[partition.pixelOfRank[rank]] = partition.staticOfRank[rank];
}

void StaticMeans::check_pixels(std::span<const std::uint32_t> pixel) const {
  std::uint32_t largest = 0;
  for (const std::uint32_t p : pixel) largest = std::max(largest, p);
  if (largest < staticOfPixel_.size()) return;
  throw Error(Code::invalid_argument, "pixel " + std::to_string(largest) + " is outside the detector of " + std::to_string(staticOfPixel_.size()) + " pixels");
}

/// One frame's photons. Sums of counts run in integers over the frame: exact in double up to 2^53.
template <class Value>
void StaticMeans::add_frame(std::uint32_t frame, std::span<const std::uint32_t> pixel, std::span<const Value> value, std::vector<Value>& byPixel) {
  const std::uint32_t S = partition_.staticBins;
  if (frame >= frameSum_.size()) frameSum_.resize(std::size_t{frame} + 1, 0.0);
  double* partial = partial_of(frame);
  const std::uint32_t* staticOf = staticOfPixel_.data();
  const double* factor = options_.pixelFactor.empty() ? nullptr : options_.pixelFactor.data();
  Value total{0};
  double scaledTotal = 0;
  std::uint64_t events = 0;
  for (std::size_t i = 0; i < pixel.size(); ++i) {
    const std::uint32_t p = pixel[i];
    const std::uint32_t s = staticOf[p];
    if (s == S) continue;
    byPixel[p] += value[i];
    ++events;
    if (factor != nullptr) {
      partial[s] += static_cast<double>(value[i]) * factor[p];
      scaledTotal += static_cast<double>(value[i]) * factor[p];
    } else {
      partial[s] += static_cast<double>(value[i]);
      total += value[i];
    }
  }
  frameSum_[frame] += factor != nullptr ? scaledTotal : static_cast<double>(total);
  events_ += events;
}

/// Many photons of one frame: narrow sums and labels, asked for ahead of time, since the pixels are spread over more memory than
/// the caches hold. Photons of pixels that do not count go into a bin of their own, behind the others.
void StaticMeans::add_counts(std::uint32_t frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
  constexpr std::size_t kAhead = 32;
  const std::uint32_t S = partition_.staticBins;
  const std::uint16_t* label = narrowLabel_.data();
  std::uint32_t* recent = recent_.data();
  BinSums sums(S + 1);
  std::uint64_t events = 0;
  for (std::size_t i = 0; i < pixel.size(); ++i) {
    const std::uint32_t ahead = pixel[std::min(i + kAhead, pixel.size() - 1)];
    __builtin_prefetch(recent + ahead, 1);
    __builtin_prefetch(label + ahead);
    const std::uint32_t s = label[pixel[i]];
    recent[pixel[i]] += static_cast<std::uint32_t>(count[i]);
    events += s != S ? 1 : 0;
    sums.add(i % BinSums::kLanes, s, count[i]);
  }
  double* partial = partial_of(frame);
  std::int64_t total = 0;
  for (std::uint32_t s = 0; s < S; ++s) {
    partial[s] += static_cast<double>(sums.sum(s));
    total += sums.sum(s);
  }
  if (frame >= frameSum_.size()) frameSum_.resize(std::size_t{frame} + 1, 0.0);
  frameSum_[frame] += static_cast<double>(total);
  events_ += events;
}

/// Whether the counts can be added to the narrow sums, which are emptied where they might overflow.
bool StaticMeans::narrow(std::span<const std::int64_t> count) {
  constexpr std::uint64_t kMost = 0xFFFFFFFF;
  if (lastMayBeCut_ || !options_.pixelFactor.empty() || partition_.staticBins >= 0xFFFF) return false;
  std::uint64_t joined = 0;
  std::uint64_t total = 0;
  for (const std::int64_t value : count) {
    joined |= static_cast<std::uint64_t>(value);
    total += static_cast<std::uint64_t>(value);
  }
  if (joined > kMost / 2 || total > kMost) return false;
  if (recent_.empty()) {
    recent_.assign(partition_.pixels(), 0);
    narrowLabel_.assign(staticOfPixel_.begin(), staticOfPixel_.end());
  }
  if (recentTotal_ + total > kMost) fold_recent();
  recentTotal_ += total;
  return true;
}

void StaticMeans::fold_recent() {
  for (std::size_t p = 0; p < recent_.size(); ++p) counts_[p] += recent_[p];
  std::fill(recent_.begin(), recent_.end(), 0U);
  recentTotal_ = 0;
}

/// The row of partial_ that the frame belongs to.
double* StaticMeans::partial_of(std::size_t frame) {
  const std::size_t row = frame / (options_.staticWindow > 0 ? options_.staticWindow : 1);
  const std::size_t S = partition_.staticBins;
  if ((row + 1) * S > partial_.size()) partial_.resize((row + 1) * S, 0.0);
  return partial_.data() + row * S;
}

template <class Value>
void StaticMeans::keep_back(std::uint32_t frame, std::span<const std::uint32_t> pixel, std::span<const Value> value, std::vector<Value>& byPixel, std::vector<Value>& back) {
  if (frame < newest_) {
    add_frame<Value>(frame, pixel, value, byPixel);
    return;
  }
  if (frame > newest_) {
    if (!backPixel_.empty()) add_frame<Value>(newest_, backPixel_, back, byPixel);
    backPixel_.clear();
    back.clear();
    newest_ = frame;
  }
  backPixel_.insert(backPixel_.end(), pixel.begin(), pixel.end());
  back.insert(back.end(), value.begin(), value.end());
}

void StaticMeans::push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t pixels, bool signedCounts) {
  if (pixels != staticOfPixel_.size()) throw Error(Code::invalid_argument, "dense frames must have " + std::to_string(staticOfPixel_.size()) + " counts each");
  if (lastMayBeCut_ || !options_.pixelFactor.empty()) {
    FrameSink::push_dense(first, rows, pixels, signedCounts);
    return;
  }
  if (valid_.empty()) {
    for (const std::uint32_t s : staticOfPixel_) valid_.push_back(s == partition_.staticBins ? 0 : 0xFFFF);
    denseSum_.assign(pixels, 0);
  }
  const std::size_t window = options_.staticWindow > 0 ? options_.staticWindow : 1;
  const std::size_t end = first + rows.size() / pixels;
  if (end > frameSum_.size()) frameSum_.resize(end, 0.0);
  for (std::size_t frame = first; frame < end;) {
    if (frame / window != denseRow_ || denseFrames_ == 65536) fold_dense();
    denseRow_ = frame / window;
    const std::size_t together = std::min({end - frame, (denseRow_ + 1) * window - frame, std::size_t{65536} - denseFrames_});
    add_rows(static_cast<std::uint32_t>(frame), rows.subspan((frame - first) * pixels, together * pixels), signedCounts);
    denseFrames_ += static_cast<std::uint32_t>(together);
    frame += together;
  }
}

/// Frames of one row of partial_, a few thousand pixels of all of them at a time.
void StaticMeans::add_rows(std::uint32_t first, std::span<const std::uint16_t> rows, bool signedCounts) {
  const std::size_t pixels = denseSum_.size();
  for (std::size_t p = 0; p < pixels; p += kRowTile) {
    const auto n = static_cast<std::uint32_t>(std::min(kRowTile, pixels - p));
    for (std::size_t r = 0; r * pixels < rows.size(); ++r) {
      const std::uint16_t* row = rows.data() + r * pixels + p;
      const RowFacts facts = signedCounts ? add_row<true>(row, valid_.data() + p, n, denseSum_.data() + p) : add_row<false>(row, valid_.data() + p, n, denseSum_.data() + p);
      frameSum_[first + r] += facts.total;
      events_ += facts.lit;
    }
  }
}

void StaticMeans::fold_dense() {
  if (denseFrames_ == 0) return;
  const std::uint32_t S = partition_.staticBins;
  if (counts_.empty()) counts_.assign(denseSum_.size(), 0);
  if ((denseRow_ + 1) * S > partial_.size()) partial_.resize((denseRow_ + 1) * S, 0.0);
  BinSums sums(S + 1);
  for (std::size_t p = 0; p < denseSum_.size(); ++p) {
    counts_[p] += denseSum_[p];
    sums.add(p % BinSums::kLanes, staticOfPixel_[p], denseSum_[p]);
    denseSum_[p] = 0;
  }
  for (std::uint32_t s = 0; s < S; ++s) partial_[denseRow_ * S + s] += static_cast<double>(sums.sum(s));
  denseFrames_ = 0;
}

void StaticMeans::set_frames(std::uint64_t frames) {
  frames_ = frames;
  fold_dense();
  fold_recent();
  if (newest_ >= frames || backPixel_.empty()) return;
  if (backReal_.empty()) {
    add_frame<std::int64_t>(newest_, backPixel_, backCount_, counts_);
  } else {
    add_frame<double>(newest_, backPixel_, backReal_, reals_);
  }
  backPixel_.clear();
}

template <class Value>
void StaticMeans::add(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Value> value, std::vector<Value>& byPixel,
                      std::vector<Value>& back) {
  check_pixels(pixel);
  if (byPixel.empty()) byPixel.assign(partition_.pixels(), Value{0});
  bool narrowSums = false;
  if constexpr (std::is_same_v<Value, std::int64_t>) narrowSums = narrow(value);
  for (std::size_t i = 0; i < frame.size();) {
    std::size_t end = i + 1;
    while (end < frame.size() && frame[end] == frame[i]) ++end;
    const auto pixels = pixel.subspan(i, end - i);
    const auto values = value.subspan(i, end - i);
    if (lastMayBeCut_) {
      keep_back<Value>(frame[i], pixels, values, byPixel, back);
    } else if (narrowSums && end - i >= kManyPhotons) {
      if constexpr (std::is_same_v<Value, std::int64_t>) add_counts(frame[i], pixels, values);
    } else {
      add_frame<Value>(frame[i], pixels, values, byPixel);
    }
    i = end;
  }
}

void StaticMeans::push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
  add(frame, pixel, count, counts_, backCount_);
}
void StaticMeans::push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) {
  add(frame, pixel, value, reals_, backReal_);
}

CorrelationResult StaticMeans::result(std::uint32_t window) const {
  CorrelationResult out;
  const std::size_t S = partition_.staticBins;
  const double frames = static_cast<double>(frames_) * options_.average;
  out.frames = frames_;
  out.events = events_;
  out.pixelMean.resize(partition_.pixels());
  for (std::size_t p = 0; p < out.pixelMean.size(); ++p) {
    if (staticOfPixel_[p] == S) continue;
    const double sum = reals_.empty() ? (counts_.empty() ? 0.0 : static_cast<double>(counts_[p])) : reals_[p];
    out.pixelMean[p] = sum * (options_.pixelFactor.empty() ? 1.0 : options_.pixelFactor[p]) / frames;
  }
  out.frameMean.assign(frames_, 0.0);
  for (std::size_t t = 0; t < frames_ && t < frameSum_.size(); ++t) out.frameMean[t] = frameSum_[t] / (static_cast<double>(partition_.pixels()) * options_.average);
  out.partitionMeanTotal.assign(S, 0.0);
  const std::size_t windows = window > 0 ? frames_ / window : 0;
  out.partitionMeanPartial.assign(windows * S, 0.0);
  const std::size_t rowFrames = options_.staticWindow > 0 ? options_.staticWindow : 1;
  for (std::size_t i = 0; i < partial_.size(); ++i) {
    out.partitionMeanTotal[i % S] += partial_[i];
    const std::size_t w = window > 0 ? i / S * rowFrames / window : windows;
    if (w < windows) out.partitionMeanPartial[w * S + i % S] += partial_[i];
  }
  for (std::size_t s = 0; s < S; ++s) {
    out.partitionMeanTotal[s] /= partition_.validPixels[s] * frames;
    for (std::size_t w = 0; w < windows; ++w) out.partitionMeanPartial[w * S + s] /= static_cast<double>(partition_.validPixels[s]) * window * options_.average;
  }
  return out;
}

}  // namespace xpcs
