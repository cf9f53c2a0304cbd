// The correlators as JavaScript classes: push(chunk), setFrames(n), result(); of the stream's also memory().
#include <thread>

#include "binding.hpp"
#include "xpcs/stream_correlator.hpp"

namespace xpcs::binding {
namespace {

Napi::Float64Array to_array(Napi::Env env, const std::vector<double>& values) {
  Napi::Float64Array out = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), out.Data());
  return out;
}

template <class Array>
Array typed(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsTypedArray()) throw js_error(from.Env(), Code::invalid_argument, std::string(name) + " must be a typed array");
  return value.As<Array>();
}

template <class Array>
auto span_of(const Array& array) {
  return std::span(array.Data(), array.ElementLength());
}

std::uint32_t whole(const Napi::Object& from, const char* name, std::uint32_t otherwise) {
  const Napi::Value value = from.Get(name);
  if (value.IsUndefined()) return otherwise;
  const double raw = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(raw >= 1 && raw <= 65535)) throw js_error(from.Env(), Code::invalid_argument, std::string(name) + " must be a whole number from 1 to 65535");
  return static_cast<std::uint32_t>(raw);
}

std::uint64_t large_whole(const Napi::Object& from, const char* name, std::uint64_t otherwise) {
  const Napi::Value value = from.Get(name);
  if (value.IsUndefined()) return otherwise;
  const double raw = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(raw >= 1 && raw <= 9007199254740992.0)) throw js_error(from.Env(), Code::invalid_argument, std::string(name) + " must be a whole number from 1 to 2^53");
  return static_cast<std::uint64_t>(raw);
}

CorrelatorOptions options_for(const Napi::Object& options, unsigned /*threads*/, const std::optional<Correlator>&) {
  CorrelatorOptions how;
  how.dpl = whole(options, "dpl", 4);
  return how;
}
StreamOptions options_for(const Napi::Object& options, unsigned threads, const std::optional<StreamCorrelator>&) {
  StreamOptions how;
  how.dpl = whole(options, "dpl", 4);
  how.threads = threads;
  how.framesMax = large_whole(options, "framesMax", how.framesMax);
  how.bytesMax = large_whole(options, "memoryBytes", how.bytesMax);
  return how;
}

/// One of the correlators. Engine: Correlator or StreamCorrelator.
template <class Engine>
class EngineObject final : public Napi::ObjectWrap<EngineObject<Engine>> {
  using Self = EngineObject;
  using Wrap = Napi::ObjectWrap<Self>;

 public:
  explicit EngineObject(const Napi::CallbackInfo& info) : Wrap(info) {
    const Napi::Object options = info[0].As<Napi::Object>();
    averaging_ = to_averaging(options).value_or(Averaging::plain);
    threads_ = whole(options, "threads", std::max(1U, std::thread::hardware_concurrency()));
    const auto dqmap = typed<Napi::Int32Array>(options, "dqmap");
    const auto sqmap = typed<Napi::Int32Array>(options, "sqmap");
    const auto how = options_for(options, threads_, engine_);
    guarded(info.Env(), [&] {
      engine_.emplace(make_partition(whole(options, "height", 0), whole(options, "width", 0), span_of(dqmap), span_of(sqmap), SplitBins::error), how);
      if constexpr (kStreams) bytesMax_ = stream_bytes(engine_->partition(), how);
    });
  }

  static Napi::Function define(Napi::Env env) {
    std::vector methods{Wrap::template InstanceMethod<&Self::push>("push"), Wrap::template InstanceMethod<&Self::set_frames>("setFrames"),
                        Wrap::template InstanceMethod<&Self::result>("result")};
    if constexpr (kStreams) {
      methods.push_back(Wrap::template InstanceMethod<&Self::push_frames>("pushFrames"));
      methods.push_back(Wrap::template InstanceMethod<&Self::memory>("memory"));
    }
    return Wrap::DefineClass(env, kStreams ? "StreamCorrelator" : "Correlator", methods);
  }

 private:
  static constexpr bool kStreams = std::is_same_v<Engine, StreamCorrelator>;

  void push(const Napi::CallbackInfo& info) {
    const Napi::Object chunk = info[0].As<Napi::Object>();
    const auto frame = typed<Napi::Uint32Array>(chunk, "frame");
    const auto pixel = typed<Napi::Uint32Array>(chunk, "pixel");
    const auto count = typed<Napi::Int32Array>(chunk, "count");
    const std::vector<std::int64_t> wide(count.Data(), count.Data() + count.ElementLength());
    guarded(info.Env(), [&] { engine_->push(span_of(frame), span_of(pixel), wide); });
  }

  void set_frames(const Napi::CallbackInfo& info) {
    const double frames = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
    if (!(frames >= 0)) throw js_error(info.Env(), Code::invalid_argument, "frames must be a whole number");
    guarded(info.Env(), [&] { engine_->set_frames(static_cast<std::uint64_t>(frames)); });
  }

  Napi::Value result(const Napi::CallbackInfo& info) {
    const CorrelationResult result = guarded(info.Env(), [&] { return engine_->result({threads_, false, averaging_}); });
    return to_result(info.Env(), result, engine_->partition(), averaging_);
  }

  void push_frames(const Napi::CallbackInfo& info) {
    const Napi::Object chunk = info[0].As<Napi::Object>();
    const auto rows = typed<Napi::Uint16Array>(chunk, "rows");
    const double first = chunk.Get("first").ToNumber().DoubleValue();
    if (!(first >= 0 && first < 4294967296.0)) throw js_error(info.Env(), Code::invalid_argument, "first must be a frame, a whole number from 0 on");
    guarded(info.Env(), [&] {
      if constexpr (kStreams) engine_->push_dense(static_cast<std::uint32_t>(first), span_of(rows), false);
    });
  }

  Napi::Value memory(const Napi::CallbackInfo& info) {
    Napi::Object out = Napi::Object::New(info.Env());
    if constexpr (kStreams) out.Set("bytes", static_cast<double>(engine_->bytes()));
    out.Set("bytesMax", static_cast<double>(bytesMax_));
    return out;
  }

  std::optional<Engine> engine_;
  Averaging averaging_ = Averaging::plain;
  unsigned threads_ = 1;
  std::uint64_t bytesMax_ = 0;
};

}  // namespace

Napi::Object to_result(Napi::Env env, const CorrelationResult& result, const Partition& partition, Averaging averaging) {
  const MomentCurves curves = curves_of(result.moments, Pooling::per_repeat, averaging);
  std::vector<double> tau;
  for (const Delay& delay : result.delays) tau.push_back(static_cast<double>(delay.frames));
  Napi::Object out = Napi::Object::New(env);
  out.Set("frames", static_cast<double>(result.frames));
  out.Set("delays", static_cast<double>(tau.size()));
  out.Set("dynamicBins", partition.dynamicBins);
  out.Set("staticBins", partition.staticBins);
  out.Set("tauFrames", to_array(env, tau));
  out.Set("g2", to_array(env, curves.g2));
  out.Set("g2Err", to_array(env, curves.g2Err));
  out.Set("g2SpreadErr", to_array(env, result.g2SpreadErr));
  out.Set("pairs", to_array(env, result.moments.pairs));
  const std::vector<float> lags = lag_correlation(result.moments).correlation;
  out.Set("lagCorrelation", to_array(env, std::vector<double>(lags.begin(), lags.end())));
  out.Set("lagFreedom", to_array(env, std::vector<double>(result.moments.lagFreedom.begin(), result.moments.lagFreedom.end())));
  out.Set("partitionMean", to_array(env, result.partitionMeanTotal));
  out.Set("pixelMean", to_array(env, result.pixelMean));
  out.Set("frameMean", to_array(env, result.frameMean));
  out.Set("framesPerMean", static_cast<double>(result.framesPerMean));
  return out;
}

Napi::Function correlator_class(Napi::Env env) { return EngineObject<Correlator>::define(env); }
Napi::Function stream_class(Napi::Env env) { return EngineObject<StreamCorrelator>::define(env); }

}  // namespace xpcs::binding
