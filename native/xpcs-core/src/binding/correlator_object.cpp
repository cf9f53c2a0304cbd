// The correlator as a JavaScript class: push(chunk), setFrames(n), result().
#include <thread>

#include "binding.hpp"

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

class CorrelatorObject final : public Napi::ObjectWrap<CorrelatorObject> {
 public:
  explicit CorrelatorObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CorrelatorObject>(info) {
    const Napi::Object options = info[0].As<Napi::Object>();
    averaging_ = to_averaging(options).value_or(Averaging::plain);
    threads_ = whole(options, "threads", std::max(1U, std::thread::hardware_concurrency()));
    const auto dqmap = typed<Napi::Int32Array>(options, "dqmap");
    const auto sqmap = typed<Napi::Int32Array>(options, "sqmap");
    guarded(info.Env(), [&] {
      CorrelatorOptions how;
      how.dpl = whole(options, "dpl", 4);
      correlator_.emplace(make_partition(whole(options, "height", 0), whole(options, "width", 0), span_of(dqmap), span_of(sqmap), SplitBins::error), how);
    });
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Correlator",
                       {InstanceMethod<&CorrelatorObject::push>("push"), InstanceMethod<&CorrelatorObject::set_frames>("setFrames"),
                        InstanceMethod<&CorrelatorObject::result>("result")});
  }

 private:
  void push(const Napi::CallbackInfo& info) {
    const Napi::Object chunk = info[0].As<Napi::Object>();
    const auto frame = typed<Napi::Uint32Array>(chunk, "frame");
    const auto pixel = typed<Napi::Uint32Array>(chunk, "pixel");
    const auto count = typed<Napi::Int32Array>(chunk, "count");
    const std::vector<std::int64_t> wide(count.Data(), count.Data() + count.ElementLength());
    guarded(info.Env(), [&] { correlator_->push(span_of(frame), span_of(pixel), wide); });
  }

  void set_frames(const Napi::CallbackInfo& info) {
    const double frames = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
    if (!(frames >= 0)) throw js_error(info.Env(), Code::invalid_argument, "frames must be a whole number");
    guarded(info.Env(), [&] { correlator_->set_frames(static_cast<std::uint64_t>(frames)); });
  }

  Napi::Value result(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const CorrelationResult result = guarded(env, [&] { return correlator_->result({threads_, false}); });
    const MomentCurves curves = curves_of(result.moments, Pooling::per_repeat, averaging_);
    std::vector<double> tau;
    for (const Delay& delay : result.delays) tau.push_back(static_cast<double>(delay.frames));
    Napi::Object out = Napi::Object::New(env);
    out.Set("frames", static_cast<double>(result.frames));
    out.Set("delays", static_cast<double>(tau.size()));
    out.Set("dynamicBins", correlator_->partition().dynamicBins);
    out.Set("staticBins", correlator_->partition().staticBins);
    out.Set("tauFrames", to_array(env, tau));
    out.Set("g2", to_array(env, curves.g2));
    out.Set("g2Err", to_array(env, curves.g2Err));
    out.Set("g2SpreadErr", to_array(env, result.g2SpreadErr));
    out.Set("pairs", to_array(env, result.moments.pairs));
    out.Set("partitionMean", to_array(env, result.partitionMeanTotal));
    out.Set("pixelMean", to_array(env, result.pixelMean));
    out.Set("frameMean", to_array(env, result.frameMean));
    return out;
  }

  std::optional<Correlator> correlator_;
  Averaging averaging_ = Averaging::plain;
  unsigned threads_ = 1;
};

}  // namespace

Napi::Function correlator_class(Napi::Env env) { return CorrelatorObject::define(env); }

}  // namespace xpcs::binding
