//! A model's weights as a Burn module, as Keras has them: what burn-store writes.

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::TensorData;

use crate::keras::{MAX_RANK, Model, Weight};

/// One parameter for each weight, under the names of its layer and its own.
#[derive(Clone, Debug)]
pub(super) struct Variables(Vec<(String, &'static str, Variable)>);

/// Burn has a tensor's rank in its type.
#[derive(Module, Debug)]
enum Variable {
    Rank1(Param<Tensor<1>>),
    Rank2(Param<Tensor<2>>),
    Rank3(Param<Tensor<3>>),
    Rank4(Param<Tensor<4>>),
    Rank5(Param<Tensor<5>>),
    Rank6(Param<Tensor<6>>),
    Rank7(Param<Tensor<7>>),
    Rank8(Param<Tensor<8>>),
}

const _: () = assert!(MAX_RANK == 8, "a rank without a variant");

impl Variables {
    /// Copies the weights of `model` to `device`.
    pub fn of(model: &Model, device: &Device) -> Self {
        let nodes = model.nodes().iter();
        let each = nodes.flat_map(|node| node.weights.iter().map(|weight| (&node.name, weight)));
        let variables = each.map(|(layer, weight)| {
            let variable = Variable::of(weight, device);
            (layer.clone(), weight.name, variable)
        });
        Self(variables.collect())
    }

    fn each(self, f: impl Fn(Variable) -> Variable) -> Self {
        let variables = self.0.into_iter();
        Self(
            variables
                .map(|(layer, name, v)| (layer, name, f(v)))
                .collect(),
        )
    }
}

impl Variable {
    fn of(weight: &Weight, device: &Device) -> Self {
        let data = TensorData::new(weight.values.clone(), weight.shape.clone());
        match weight.shape.len() {
            0 | 1 => Self::Rank1(Param::from_data(data, device)),
            2 => Self::Rank2(Param::from_data(data, device)),
            3 => Self::Rank3(Param::from_data(data, device)),
            4 => Self::Rank4(Param::from_data(data, device)),
            5 => Self::Rank5(Param::from_data(data, device)),
            6 => Self::Rank6(Param::from_data(data, device)),
            7 => Self::Rank7(Param::from_data(data, device)),
            _ => Self::Rank8(Param::from_data(data, device)),
        }
    }
}

/// By hand, since a derived one would call the weights by numbers.
impl Module for Variables {
    fn collect_devices(&self, devices: Devices) -> Devices {
        let variables = self.0.iter();
        variables.fold(devices, |devices, (.., variable)| {
            variable.collect_devices(devices)
        })
    }

    fn fork(self, device: &Device) -> Self {
        self.each(|variable| variable.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.each(|variable| variable.to_device(device))
    }

    fn train(self) -> Self {
        self.each(Variable::train)
    }

    fn valid(&self) -> Self {
        self.clone().each(|variable| variable.valid())
    }

    fn materialize(self) -> Self {
        self.each(Variable::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (layer, name, variable) in &self.0 {
            visitor.enter_module(layer, "Layer");
            visitor.enter_module(name, "Weight");
            variable.visit(visitor);
            visitor.exit_module(name, "Weight");
            visitor.exit_module(layer, "Layer");
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let variables = self.0.into_iter().map(|(layer, name, variable)| {
            mapper.enter_module(&layer, "Layer");
            mapper.enter_module(name, "Weight");
            let variable = variable.map(mapper);
            mapper.exit_module(name, "Weight");
            mapper.exit_module(&layer, "Layer");
            (layer, name, variable)
        });
        Self(variables.collect())
    }
}
